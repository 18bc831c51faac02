"""What becomes of all that X can answer to a message of ours."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from aiohttp import web
from pydantic import JsonValue, SecretStr
from pydantic_core import from_json

from channels.accounts import XAccount
from channels.heard import Echo
from channels.outlet import Limit, NotNow, Outlet, Paused, Uncertain, Undeliverable
from channels.x import SIGNATURE, parse, signature_holds
from channels.x_outlet import XOutlet
from domain.deliveries import Outgoing, Piece
from domain.models import AuthorKind
from tests.channels.x_server import (
    ACCOUNT,
    SECRET,
    TOKEN,
    Behaviour,
    Callback,
    XServer,
    answers,
    takes_and_breaks,
    takes_and_hangs,
    trickles,
    x_server,
)

ADA = "3284025577"
START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[XServer]:
    async with x_server(clock) as running:
        yield running


@pytest.fixture
async def outlet(server: XServer, clock: Clock) -> AsyncIterator[XOutlet]:
    outlet = XOutlet(account(server.url), clock)
    yield outlet
    await outlet.close()


def account(api: str, token: str = TOKEN) -> XAccount:
    return XAccount(ACCOUNT, SecretStr(token), api)


def outgoing(content: str = "Hello", to: str = ADA, *files: dict[str, JsonValue]) -> Outgoing:
    return Outgoing(
        outlet=f"twitter-{ACCOUNT}",
        thread_id=uuid4(),
        seq=2,
        message_id=uuid4(),
        address=to,
        author=AuthorKind.AGENT,
        author_name="Grace",
        content=content,
        attempts=1,
        waits_since=START,
        attachments=list(files),
    )


async def send(outlet: XOutlet, message: Outgoing | None = None) -> str:
    message = message or outgoing()
    return await outlet.send(message, outlet.pieces(message)[0])


class TestPieces:
    def test_are_of_at_most_10000_characters(self, outlet: XOutlet) -> None:
        pieces = outlet.pieces(outgoing(f"{'a' * 9_999} {'b' * 9_999}"))
        assert [piece.text for piece in pieces] == ["a" * 9_999, "b" * 9_999]

    async def test_with_files_are_refused_and_the_text_is_not(self, outlet: XOutlet) -> None:
        file: dict[str, JsonValue] = {"id": "att_1", "name": "bill.pdf"}
        message = outgoing("Your bill", ADA, file)
        text, bill = outlet.pieces(message)
        assert await outlet.send(message, text)
        with pytest.raises(Undeliverable, match="Send the customer a link") as refused:
            await outlet.send(message, bill)
        assert refused.value.reason == "files"

    def test_of_nothing_are_refused(self, outlet: XOutlet) -> None:
        with pytest.raises(Undeliverable):
            outlet.pieces(outgoing(" "))


class TestSending:
    async def test_tells_what_x_calls_the_message(self, server: XServer, outlet: XOutlet) -> None:
        event_id = await send(outlet, outgoing("Grüße 🚲"))
        (taken,) = server.taken
        assert (taken.id, taken.to, taken.text) == (event_id, ADA, "Grüße 🚲")

    @pytest.mark.parametrize("address", ["", "ada", "1/../2", "\uff11\uff12", "1" * 31])
    async def test_to_no_user_id_is_not_tried(
        self, server: XServer, outlet: XOutlet, address: str
    ) -> None:
        with pytest.raises(Undeliverable, match="no user id"):
            await send(outlet, outgoing(to=address))
        assert server.calls == 0

    async def test_again_works_after_the_server_was_down(
        self, server: XServer, outlet: XOutlet, clock: Clock
    ) -> None:
        server.down_until = START + timedelta(minutes=1)
        with pytest.raises(NotNow, match="503"):
            await send(outlet)
        clock.now = server.down_until
        assert await send(outlet)

    async def test_is_as_the_protocol_says(self, outlet: XOutlet) -> None:
        same: Outlet = outlet
        assert same.name == f"twitter-{ACCOUNT}"
        assert not same.looks
        assert same.external_id(outgoing(), Piece(0)) is None

    async def test_is_told_by_the_webhook_as_well(self, server: XServer, outlet: XOutlet) -> None:
        async with Listener() as listener:
            server.calls_back = Callback(listener.url)
            event_id = await send(outlet)
            await server.settle()
        (body,) = listener.bodies
        assert parse(body) == [Echo(ACCOUNT, ADA, event_id, "Hello", START, app="268278")]


class Listener:
    """Takes what X tells, once its signature holds."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[JsonValue] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Listener":
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if not signature_holds(SECRET, raw, request.headers.get(SIGNATURE)):
            return web.Response(status=403)
        self.bodies.append(from_json(raw))
        return web.json_response({"status": "ok"})


class TestLimits:
    def test_are_those_of_x(self, outlet: XOutlet) -> None:
        assert outlet.limits == (
            Limit(15, timedelta(minutes=15)),
            Limit(1_440, timedelta(days=1)),
        )

    async def test_that_are_reached_say_until_when(
        self, server: XServer, outlet: XOutlet, clock: Clock
    ) -> None:
        for _ in range(15):
            await send(outlet)
        clock.now += timedelta(minutes=5)
        with pytest.raises(NotNow) as refused:
            await send(outlet)
        assert refused.value.retry_after == timedelta(minutes=10)
        assert server.violations == ["more than 15 within 0:15:00"]
        clock.now += timedelta(minutes=10)
        assert await send(outlet)

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({}, timedelta(minutes=15)),
            ({"x_rate_limit_reset": "soon"}, timedelta(minutes=15)),
            ({"x_rate_limit_reset": str(int(START.timestamp()) - 60)}, timedelta(seconds=1)),
            ({"x_rate_limit_reset": "99999999999"}, timedelta(hours=25)),
            (
                {
                    "x_rate_limit_reset": str(int(START.timestamp()) + 60),
                    "x_user_limit_24hour_remaining": "0",
                    "x_user_limit_24hour_reset": str(int(START.timestamp()) + 7_200),
                },
                timedelta(hours=2),
            ),
        ],
        ids=["not told", "no number", "over already", "far off", "of the day"],
    )
    async def test_are_waited_for(
        self, server: XServer, outlet: XOutlet, headers: dict[str, str], wait: timedelta
    ) -> None:
        server.behaviours = [answers(429, {"title": "Too Many Requests"}, **headers)]
        with pytest.raises(NotNow) as refused:
            await send(outlet)
        assert refused.value.retry_after == wait


def forbids(detail: str, **more: JsonValue) -> Behaviour:
    return answers(403, {"title": "Forbidden", "detail": detail, "type": "about:blank", **more})


NOT_PERMITTED = "You do not have permission to DM one or more participants."
CLIENT_FORBIDDEN = "https://api.twitter.com/2/problems/client-forbidden"
NOBODY = answers(404, {"title": "Not Found Error", "detail": "Could not find user"})
SUSPENDED: JsonValue = {"errors": [{"code": 64, "message": "Your account is suspended."}]}


class TestAnswers:
    @pytest.mark.parametrize(
        ("behaviour", "failure"),
        [
            (answers(401, {"title": "Unauthorized"}), Paused),
            (answers(402, {"title": "CreditsDepleted"}), Paused),
            (forbids(NOT_PERMITTED), Undeliverable),
            (forbids("User has been suspended: [3284025577]."), Undeliverable),
            (forbids("Your account is suspended and is not permitted to do this."), Paused),
            (forbids("To protect our users, your account is temporarily locked."), Paused),
            (forbids("Not enrolled.", type=CLIENT_FORBIDDEN), Paused),
            (answers(403, SUSPENDED), Paused),
            (answers(403, {"errors": [{"code": [64]}, 7]}), Undeliverable),
            (answers(403, "<html>"), Undeliverable),
            (answers(400, {"title": "Invalid Request"}), Undeliverable),
            (NOBODY, Undeliverable),
            (answers(404, "<html>no such page</html>"), Paused),
            (answers(301, "", Location="https://example.com/"), Paused),
            (answers(408, ""), NotNow),
            (answers(500, ""), NotNow),
            (answers(503, {"title": "Service Unavailable"}), NotNow),
            (answers(520, "<html>Cloudflare</html>"), NotNow),
            (answers(504, ""), Uncertain),
            (answers(201, {}), Uncertain),
            (answers(201, {"data": []}), Uncertain),
            (answers(201, {"data": {"dm_event_id": ""}}), Uncertain),
            (answers(201, {"data": {"dm_event_id": "a\0"}}), Uncertain),
            (answers(200, "<html>"), Uncertain),
            (answers(200, "[" * 100_000), Uncertain),
        ],
    )
    async def test_become_failures(
        self, server: XServer, outlet: XOutlet, behaviour: Behaviour, failure: type[Exception]
    ) -> None:
        server.behaviours = [behaviour]
        with pytest.raises(failure):
            await send(outlet)
        assert server.calls == 1

    async def test_never_come_with_a_word_of_x(self, server: XServer, outlet: XOutlet) -> None:
        """Which may quote the message; Temporal keeps failures in plain text."""
        for status in (400, 403, 404, 429, 500):
            server.behaviours = [answers(status, {"title": "secret", "detail": "secret"})]
            with pytest.raises((Undeliverable, NotNow)) as refused:
                await send(outlet)
            assert "secret" not in str(refused.value)

    async def test_to_a_wrong_token_pause_the_account(self, server: XServer) -> None:
        outlet = XOutlet(account(server.url, "another token"))
        with pytest.raises(Paused, match="X_ACCESS_TOKEN"):
            await send(outlet)
        await outlet.close()


class TestNoAnswer:
    async def test_after_it_was_written_leaves_it_uncertain(self, server: XServer) -> None:
        outlet = XOutlet(account(server.url), timeout=0.2)
        server.behaviours = [takes_and_hangs]
        with pytest.raises(Uncertain):
            await send(outlet)
        assert len(server.taken) == 1
        await outlet.close()

    async def test_because_the_connection_broke_leaves_it_uncertain(
        self, server: XServer, outlet: XOutlet
    ) -> None:
        server.behaviours = [takes_and_breaks]
        with pytest.raises(Uncertain):
            await send(outlet)

    async def test_in_full_leaves_it_uncertain(self, server: XServer) -> None:
        outlet = XOutlet(account(server.url), timeout=0.3)
        server.behaviours = [trickles]
        with pytest.raises(Uncertain):
            await send(outlet)
        await outlet.close()

    async def test_at_all_is_tried_again(self, server: XServer, outlet: XOutlet) -> None:
        await server.vanish()
        with pytest.raises(NotNow, match="cannot be reached"):
            await send(outlet)
        await server.appear()
        assert await send(outlet)
