"""A server that speaks as much of the API of X as we use, and misbehaves as it is told.

    async with x_server(clock) as server:
        account = XAccount(ACCOUNT, SecretStr(TOKEN), server.url)
        server.down_until = clock() + timedelta(minutes=30)  # 503 until then
        await server.vanish()                                # connections refused until `appear`
        server.behaviours += [answers(500), takes_and_hangs]  # one call each, the first first
        ...
        assert server.texts_to("3284025577") == ["One", "Two"]  # what it took, in its order
        assert server.violations == []                          # never more than X allows

With `calls_back` it tells by signed webhooks of each message that it takes, as X does.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientError, ClientSession, web
from pydantic import JsonValue, SecretStr
from pydantic_core import to_json

from channels.x import SIGNATURE, sign

TOKEN = "x-token"
ACCOUNT = "3001969357"
SECRET = SecretStr("consumer_secret")
_FIRST_ID = 1_062_245_772_333_000_000
_AGAIN_AFTER = 0.2
"""Real seconds after which a webhook that was not answered 200 comes again."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Posted:
    """A call that wants a message sent."""

    server: "XServer"
    request: web.Request
    to: str
    text: str


Behaviour = Callable[[Posted], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the server has."""

    id: str
    to: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many messages in any span of that length."""

    most: int
    within: timedelta


RATES = (Rate(15, timedelta(minutes=15)), Rate(1_440, timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class Callback:
    """Where webhooks go."""

    url: str
    secret: SecretStr = SECRET
    delay: float = 0.0
    """Real seconds before each."""


@dataclass
class XServer:
    clock: Clock
    default: Behaviour | None = None
    """How calls are answered; without it, by `accept`."""
    behaviours: list[Behaviour] = field(default_factory=list)
    """Each for one call, before the default."""
    rates: tuple[Rate, ...] = RATES
    down_until: datetime | None = None
    """Until then every call is answered 503."""
    calls_back: Callback | None = None
    token: str = TOKEN
    url: str = ""
    """What accounts have as `api`."""
    taken: list[Taken] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    """What we did against the platform's rules."""
    calls: int = 0
    """That were ever made, whatever became of them."""
    told: list[dict[str, JsonValue]] = field(default_factory=list)
    """Bodies of webhooks that were answered 200."""

    def __post_init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hanging = asyncio.Event()

    def texts_to(self, to: str) -> list[str]:
        return [each.text for each in self.taken if each.to == to]

    # Being away.

    async def appear(self) -> None:
        """Listen, where it listened before."""
        app = web.Application()
        app.router.add_post("/2/dm_conversations/with/{to}/messages", self._messages)
        app.router.add_get("/2/users/me", self._me)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def vanish(self) -> None:
        """Refuse connections, and drop those that are open, until `appear`."""
        if self._runner is not None:
            self._hanging.set()
            await self._runner.cleanup()
            self._runner, self._hanging = None, asyncio.Event()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.vanish()

    # Taking messages.

    def take(self, posted: Posted) -> Taken:
        """Accept a message, and have it told."""
        event_id = str(_FIRST_ID + len(self.taken))
        taken = Taken(event_id, posted.to, posted.text, self.clock())
        self.taken.append(taken)
        if self.calls_back is not None:
            self._in_background(self._tell(echo(taken), self.calls_back))
        return taken

    async def accept(self, posted: Posted) -> web.StreamResponse:
        """Take it and say so, unless a rate is exceeded."""
        free_at = self._free_at()
        if free_at is not None:
            return exhausted(free_at)
        told = {"dm_conversation_id": f"{ACCOUNT}-{posted.to}", "dm_event_id": self.take(posted).id}
        return web.json_response({"data": told}, status=201)

    async def hang(self) -> None:
        """Until whoever asked gives up, or the server goes away."""
        await self._hanging.wait()

    async def settle(self) -> None:
        """Wait until all has been told."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _free_at(self) -> datetime | None:
        """When it will take a message again, where one now is too many; kept as a violation."""
        for rate in self.rates:
            since = self.clock() - rate.within
            recent = [each.at for each in self.taken[-rate.most :] if each.at > since]
            if len(recent) >= rate.most:
                self.violations.append(f"more than {rate.most} within {rate.within}")
                return recent[0] + rate.within
        return None

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return problem(401, "Unauthorized", "Unauthorized")
        if self.down_until is not None and self.clock() < self.down_until:
            return web.Response(status=503, text="Over capacity")
        body = await request.json()
        posted = Posted(self, request, request.match_info["to"], body["text"])
        behave = self.behaviours.pop(0) if self.behaviours else self.default
        return await (behave or self.accept)(posted)

    async def _me(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return problem(401, "Unauthorized", "Unauthorized")
        if self.down_until is not None and self.clock() < self.down_until:
            return web.Response(status=503, text="Over capacity")
        me = {"id": ACCOUNT, "name": "Support", "username": "support"}
        return web.json_response({"data": me})

    async def _tell(self, body: dict[str, JsonValue], how: Callback) -> None:
        await asyncio.sleep(how.delay)
        while await _status_of(how, to_json(body)) != web.HTTPOk.status_code:
            await asyncio.sleep(_AGAIN_AFTER)
        self.told.append(body)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def x_server(clock: Clock = lambda: datetime.now(UTC)) -> AsyncIterator[XServer]:
    server = XServer(clock)
    await server.appear()
    try:
        yield server
    finally:
        await server.close()


async def takes(posted: Posted) -> web.StreamResponse:
    """Accepts it, unless a rate is exceeded."""
    return await posted.server.accept(posted)


async def takes_and_hangs(posted: Posted) -> web.StreamResponse:
    """Accepts it, and never answers."""
    posted.server.take(posted)
    await posted.server.hang()
    return web.Response(status=500)


async def takes_and_breaks(posted: Posted) -> web.StreamResponse:
    """Accepts it, and drops the connection."""
    posted.server.take(posted)
    assert posted.request.transport is not None
    posted.request.transport.abort()
    return web.Response()


async def trickles(posted: Posted) -> web.StreamResponse:
    """Every byte of the answer is in time, and the whole never is."""
    answer = web.StreamResponse(status=201)
    await answer.prepare(posted.request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.05)


def answers(status: int, body: JsonValue = "", **headers: str) -> Behaviour:
    """With whatever this is, text as it is; `x_rate_limit_reset="7"` is a header."""
    spelled = body.encode() if isinstance(body, str) else to_json(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def behave(_: Posted) -> web.StreamResponse:
        return web.Response(
            status=status, body=spelled, headers=named, content_type="application/json"
        )

    return behave


def later(seconds: float, then: Behaviour) -> Behaviour:
    async def behave(posted: Posted) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(posted)

    return behave


def problem(status: int, title: str, detail: str, kind: str = "about:blank") -> web.Response:
    """As X says what is wrong (RFC 7807)."""
    told = {"title": title, "detail": detail, "type": kind, "status": status}
    return web.json_response(told, status=status, content_type="application/problem+json")


def exhausted(until: datetime) -> web.Response:
    answer = problem(429, "Too Many Requests", "Too Many Requests")
    answer.headers["x-rate-limit-remaining"] = "0"
    answer.headers["x-rate-limit-reset"] = str(math.ceil(until.timestamp()))
    return answer


def echo(taken: Taken) -> dict[str, JsonValue]:
    """What X tells of a message of ours."""
    said: dict[str, JsonValue] = {
        "type": "message_create",
        "id": taken.id,
        "created_timestamp": str(int(taken.at.timestamp() * 1000)),
        "message_create": {
            "target": {"recipient_id": taken.to},
            "sender_id": ACCOUNT,
            "source_app_id": "268278",
            "message_data": {
                "text": taken.text,
                "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
            },
        },
    }
    return {
        "for_user_id": ACCOUNT,
        "direct_message_events": [said],
        "apps": {"268278": {"id": "268278", "name": "Support", "url": "https://example.com"}},
        "users": {ACCOUNT: {"id": ACCOUNT, "name": "Support", "screen_name": "support"}},
    }


async def _status_of(how: Callback, body: bytes) -> int:
    """Of the answer; 0 for none."""
    headers = {SIGNATURE: sign(how.secret, body), "Content-Type": "application/json"}
    try:
        async with ClientSession() as http, http.post(how.url, data=body, headers=headers) as said:
            return said.status
    except ClientError:
        return 0
