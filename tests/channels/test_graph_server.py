"""That the server which stands in for Meta can do what other tests build on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr
from pydantic_core import from_json

from channels import messenger, whatsapp
from channels.accounts import MessengerAccount, WhatsAppAccount
from channels.heard import Arrived, ArrivedUntil, Echo, Heard
from channels.messenger_outlet import MessengerOutlet
from channels.meta import signature_holds
from channels.outlet import NotNow
from channels.whatsapp_outlet import WhatsAppOutlet
from domain.deliveries import Piece
from domain.models import DeliveryState
from tests.channels.graph_server import SECRET, TOKEN, Callback, GraphServer, graph_server
from tests.channels.graph_words import APP_ID
from tests.channels.replies import PIECE_ID, Files, reply

TEXT = Piece(0, text="Hello")


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[GraphServer]:
    async with graph_server(clock) as server:
        yield server


@pytest.fixture
async def outlet(server: GraphServer) -> AsyncIterator[WhatsAppOutlet]:
    account = WhatsAppAccount("100", SecretStr(TOKEN), server.url)
    outlet = WhatsAppOutlet(account, Files())
    yield outlet
    await outlet.close()


class TestBeingAway:
    async def test_answers_503_until_an_instant(
        self, server: GraphServer, outlet: WhatsAppOutlet, clock: Clock
    ) -> None:
        server.down_until = clock() + timedelta(minutes=30)
        with pytest.raises(NotNow):
            await outlet.send(reply("+1555"), TEXT)
        clock.forward(minutes=30)
        assert await outlet.send(reply("+1555"), TEXT)

    async def test_refuses_connections_until_an_instant(
        self, server: GraphServer, outlet: WhatsAppOutlet, clock: Clock
    ) -> None:
        await outlet.send(reply("+1555"), TEXT)
        await server.vanish(until=clock() + timedelta(minutes=30))
        with pytest.raises(NotNow):
            await outlet.send(reply("+1555"), TEXT)
        clock.forward(minutes=30)
        await server.settle()
        assert await outlet.send(reply("+1555"), TEXT)


class TestRates:
    async def test_to_one_customer_are_watched(
        self, server: GraphServer, outlet: WhatsAppOutlet, clock: Clock
    ) -> None:
        for _ in range(45):
            await outlet.send(reply("+1555"), TEXT)
        with pytest.raises(NotNow) as raised:
            await outlet.send(reply("+1555"), TEXT)
        assert raised.value.retry_after == timedelta(seconds=4)
        assert len(server.violations) == 1
        await outlet.send(reply("+1556"), TEXT)
        clock.forward(seconds=270)
        await outlet.send(reply("+1555"), TEXT)
        assert len(server.violations) == 1

    async def test_of_all_are_watched(
        self, server: GraphServer, outlet: WhatsAppOutlet, clock: Clock
    ) -> None:
        for number in range(1_000, 1_080):
            await outlet.send(reply(f"+{number}"), TEXT)
        with pytest.raises(NotNow):
            await outlet.send(reply("+2000"), TEXT)
        clock.forward(seconds=1)
        await outlet.send(reply("+2000"), TEXT)
        assert len(server.violations) == 1


class TestNews:
    async def test_of_whatsapp_come_by_themselves(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        async with listening() as listener:
            server.calls_back = Callback(listener.url)
            await outlet.send(reply("+1555"), TEXT)
            await server.settle()
            heard = [each for body in listener.bodies for each in whatsapp.parse(from_json(body))]
        states = (DeliveryState.SENT, DeliveryState.DELIVERED)
        assert heard == [
            Arrived("100", "wamid.1", each, f"{PIECE_ID}0", "+1555") for each in states
        ]

    async def test_of_messenger_come_by_themselves(self, server: GraphServer, clock: Clock) -> None:
        account = MessengerAccount("1000", SecretStr(TOKEN), server.url)
        outlet = MessengerOutlet(account, Files())
        async with listening() as listener:
            server.calls_back = Callback(listener.url)
            await outlet.send(reply("2000"), TEXT)
            await server.settle()
            await server.tell(server.taken[0], "read")
            heard: list[Heard] = []
            for body in listener.bodies:
                heard += messenger.parse(from_json(body))
        await outlet.close()
        now = clock()
        echo = Echo("1000", "2000", "m_1", "Hello", now, our_id=f"{PIECE_ID}0", app=APP_ID)
        assert heard == [
            echo,
            Arrived("1000", "m_1", DeliveryState.DELIVERED, address="2000"),
            ArrivedUntil("1000", "2000", DeliveryState.DELIVERED, now),
            ArrivedUntil("1000", "2000", DeliveryState.READ, now),
        ]

    async def test_of_a_failure_have_a_code(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        await outlet.send(reply("+1555"), TEXT)
        async with listening() as listener:
            server.calls_back = Callback(listener.url)
            await server.tell(server.taken[0], "failed", error=131026)
        (arrived,) = whatsapp.parse(from_json(listener.bodies[0]))
        assert isinstance(arrived, Arrived)
        assert arrived.error == "The customer cannot be reached by WhatsApp."

    async def test_come_again_until_they_are_taken(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        async with listening() as listener:
            listener.statuses = [500, 503]
            server.calls_back = Callback(listener.url, statuses=("sent",))
            await outlet.send(reply("+1555"), TEXT)
            await server.settle()
        assert len(listener.bodies) == 3
        assert len(server.told) == 1

    async def test_to_nobody_are_not_answered(self, server: GraphServer) -> None:
        server.calls_back = Callback("http://127.0.0.1:9/")
        assert await server.post_webhook({}) == 0


async def test_doubles_are_found(server: GraphServer, outlet: WhatsAppOutlet) -> None:
    await outlet.send(reply("+1555"), TEXT)
    await outlet.send(reply("+1555"), Piece(1, text="Bye"))
    assert server.doubles() == []
    await outlet.send(reply("+1555"), TEXT)
    assert server.doubles() == [f"{PIECE_ID}0"]
    assert server.texts_to("1555") == ["Hello", "Bye", "Hello"]


async def test_a_token_in_an_address_is_a_violation(server: GraphServer) -> None:
    async with httpx.AsyncClient() as http:
        await http.post(f"{server.url}/100/messages?access_token={TOKEN}", json={})
    assert server.violations == ["a token in an address"]


class Listener:
    """Takes webhooks; `statuses` answer the first ones, then 200 does."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert signature_holds(SECRET, body, request.headers["X-Hub-Signature-256"])
        self.bodies.append(body)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application()
    app.router.add_post("/", listener.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield listener
    finally:
        await runner.cleanup()
