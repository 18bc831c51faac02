"""A server that speaks as much of Meta's Graph API as we use, and misbehaves as it is told.

    from tests.channels.graph_answers import later, refuses, takes, takes_and_hangs

    async with graph_server(clock=clock) as graph:
        account = WhatsAppAccount("100", SecretStr(TOKEN), graph.url)
        graph.down_until = clock() + timedelta(minutes=30)      # 503 until then
        await graph.vanish(until=...)                           # connections refused until then
        graph.behaviours += [refuses(131056), takes_and_hangs]  # one call each, the first first
        graph.default = later(0.2, takes)                       # all other calls
        ...
        assert graph.texts_to("15550100") == ["One", "Two"]     # what it took, in its order
        assert graph.violations == []                           # no rate exceeded, no token shown

With `calls_back` it tells by signed webhooks what becomes of what it takes: for Messenger echoes
and deliveries, for WhatsApp statuses; `tell` does so later, and as often as a test wants.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientError, ClientSession, web
from pydantic import SecretStr

from channels.meta import sign
from tests.channels.graph_words import Taken, error_response, webhook

TOKEN = "graph-token"
SECRET = SecretStr("app_secret")
VERSION = "v24.0"
_AGAIN_AFTER = 0.2
"""Real seconds after which a webhook that was not answered 200 comes again, as Meta's do."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Posted:
    """A call that wants a message sent."""

    server: "GraphServer"
    request: web.Request
    account: str
    body: dict[str, Any]
    file: bytes | None

    @property
    def platform(self) -> str:
        return "whatsapp" if self.body.get("messaging_product") == "whatsapp" else "messenger"

    @property
    def to(self) -> str:
        if self.platform == "whatsapp":
            return str(self.body.get("to") or self.body.get("recipient"))
        return str(self.body["recipient"]["id"])


Behaviour = Callable[[Posted], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many messages in any span of that length, for all or for each customer."""

    most: int
    within: timedelta
    to_each: bool
    code: int
    """With which error it is refused."""


WHATSAPP_RATES = (
    Rate(45, timedelta(seconds=270), to_each=True, code=131_056),
    Rate(80, timedelta(seconds=1), to_each=False, code=130_429),
)


@dataclass(frozen=True, slots=True)
class Upload:
    content_type: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Callback:
    """Where webhooks go, and which statuses a WhatsApp message gets by itself."""

    url: str
    secret: SecretStr = SECRET
    statuses: Sequence[str] = ("sent", "delivered")
    delay: float = 0.0
    """Real seconds before each."""


@dataclass
class GraphServer:
    clock: Clock
    default: Behaviour | None = None
    """How calls for sending are answered; without it, by `accept`."""
    behaviours: list[Behaviour] = field(default_factory=list)
    """Each for one such call, before the default; see `graph_answers`."""
    rates: Sequence[Rate] = WHATSAPP_RATES
    down_until: datetime | None = None
    """Until then every call is answered 503."""
    calls_back: Callback | None = None
    token: str = TOKEN
    url: str = ""
    """What accounts have as `api`."""
    taken: list[Taken] = field(default_factory=list)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    """What it tells of numbers and pages, by their ids: `{"100": {"name": "Acme"}}`."""
    uploads: dict[str, Upload] = field(default_factory=dict)
    upload_error: int | None = None
    """With which error all uploads are refused."""
    violations: list[str] = field(default_factory=list)
    """What we did against the platform's rules."""
    calls: int = 0
    """That were ever made, whatever became of them."""
    told: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of webhooks that were answered 200."""

    def __post_init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hanging = asyncio.Event()

    # What tests ask.

    def taken_to(self, to: str) -> list[Taken]:
        return [each for each in self.taken if each.to == to]

    def texts_to(self, to: str) -> list[str | None]:
        return [each.text for each in self.taken_to(to)]

    def doubles(self) -> list[str]:
        """Our ids that were taken more than once."""
        counted = Counter(each.our_id for each in self.taken if each.our_id)
        return [our_id for our_id, times in counted.items() if times > 1]

    # Being away.

    async def vanish(self, until: datetime | None = None) -> None:
        """Refuse connections, and drop those that are open, until that instant by the clock, or
        until `appear`."""
        await self._stop()
        if until is not None:
            self._in_background(self._appear_at(until))

    async def appear(self) -> None:
        """Listen, where it listened before."""
        app = web.Application(client_max_size=200 * 1024 * 1024)
        app.router.add_post(f"/{VERSION}/{{account}}/messages", self._messages)
        app.router.add_post(f"/{VERSION}/{{account}}/media", self._media)
        app.router.add_get(f"/{VERSION}/{{media_id}}", self._media_url)
        app.router.add_get("/media/{media_id}", self._media_content)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/{VERSION}"

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stop()

    async def _appear_at(self, instant: datetime) -> None:
        while self.clock() < instant:
            await asyncio.sleep(0.02)
        await self.appear()

    async def _stop(self) -> None:
        if self._runner is not None:
            self._hanging.set()
            await self._runner.cleanup()
            self._runner, self._hanging = None, asyncio.Event()

    # Taking messages.

    def take(self, posted: Posted) -> Taken:
        """Accept a message, and have told what becomes of it."""
        our_id = (
            posted.body.get("biz_opaque_callback_data")
            if posted.platform == "whatsapp"
            else posted.body["message"].get("metadata")
        )
        taken = Taken(
            platform=posted.platform,
            account=posted.account,
            to=posted.to,
            id=f"{'wamid.' if posted.platform == 'whatsapp' else 'm_'}{len(self.taken) + 1}",
            body=posted.body,
            at=self.clock(),
            our_id=our_id,
            file=posted.file or self._uploaded(posted.body),
        )
        self.taken.append(taken)
        if self.calls_back is not None:
            self._in_background(self._tell_all(taken, self.calls_back))
        return taken

    async def accept(self, posted: Posted) -> web.StreamResponse:
        """Take it and say so, unless a rate is exceeded."""
        broken = self.broken_rate(posted)
        if broken is not None:
            return error_response(broken.code)
        taken = self.take(posted)
        if taken.platform == "messenger":
            return web.json_response({"recipient_id": taken.to, "message_id": taken.id})
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": taken.to, "wa_id": taken.to}],
                "messages": [{"id": taken.id}],
            }
        )

    def broken_rate(self, posted: Posted) -> Rate | None:
        """The rate that this message would exceed; kept as a violation."""
        for rate in self.rates if posted.platform == "whatsapp" else ():
            since = self.clock() - rate.within
            recent = (each for each in self._taken_after(since) if each.platform == posted.platform)
            counted = sum(each.to == posted.to or not rate.to_each for each in recent)
            if counted >= rate.most:
                self.violations.append(f"more than {rate.most} within {rate.within}")
                return rate
        return None

    def _taken_after(self, instant: datetime) -> Iterator[Taken]:
        for each in reversed(self.taken):
            if each.at <= instant:
                return
            yield each

    async def hang(self) -> None:
        """Until whoever asked gives up, or the server goes away."""
        await self._hanging.wait()

    def _uploaded(self, body: dict[str, Any]) -> bytes | None:
        media_id = body.get(str(body.get("type")), {}).get("id")
        return self.uploads[media_id].content if media_id in self.uploads else None

    # Telling of them.

    async def tell(self, taken: Taken, *news: str, error: int | None = None) -> None:
        """Send webhooks, each with one of `news`, and wait until they are answered.

        For WhatsApp a status (`sent`, `delivered`, `read`, `failed` with an error's code), for
        Messenger `echo`, `delivery` or `read`.
        """
        for each in news:
            await self.post_webhook(webhook(taken, each, self.clock(), error))

    async def post_webhook(self, body: dict[str, Any]) -> int:
        """Send any body, signed as Meta does. Return the status of the answer; 0 for none."""
        assert self.calls_back is not None
        spelled = json.dumps(body).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": sign(self.calls_back.secret, spelled),
        }
        try:
            async with (
                ClientSession() as http,
                http.post(self.calls_back.url, data=spelled, headers=headers) as answer,
            ):
                status = answer.status
        except ClientError:
            return 0
        if status == 200:
            self.told.append(body)
        return status

    async def settle(self) -> None:
        """Wait until all has been told that is told by itself."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _tell_all(self, taken: Taken, how: Callback) -> None:
        for news in how.statuses if taken.platform == "whatsapp" else ("echo", "delivery"):
            await asyncio.sleep(how.delay)
            body = webhook(taken, news, self.clock())
            while await self.post_webhook(body) != 200:
                await asyncio.sleep(_AGAIN_AFTER)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What is asked of it.

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body, file = await _read(request)
        refused = self._refused(request)
        if refused is not None:
            return refused
        posted = Posted(self, request, request.match_info["account"], body, file)
        behave = self.behaviours.pop(0) if self.behaviours else self.default
        return await (behave or self.accept)(posted)

    async def _media(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        refused = self._refused(request)
        if refused is not None:
            return refused
        if self.upload_error is not None:
            return error_response(self.upload_error)
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["messaging_product"] == "whatsapp"
        media_id = str(1_000 + len(self.uploads))
        content = file.file.read()
        self.uploads[media_id] = Upload(file.content_type, file.filename, content)
        return web.json_response({"id": media_id})

    async def _media_url(self, request: web.Request) -> web.StreamResponse:
        refused = self._refused(request)
        if refused is not None:
            return refused
        media_id = request.match_info["media_id"]
        if media_id in self.accounts:
            fields = request.query["fields"].split(",")
            known = self.accounts[media_id]
            told = {key: known[key] for key in ("id", *fields) if key in known}
            return web.json_response({"id": media_id} | told)
        upload = self.uploads.get(media_id)
        if upload is None:
            return error_response(100, 33)
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "url": f"{self.url.removesuffix(VERSION)}media/{media_id}",
                "mime_type": upload.content_type,
                "sha256": hashlib.sha256(upload.content).hexdigest(),
                "file_size": len(upload.content),
                "id": media_id,
            }
        )

    async def _media_content(self, request: web.Request) -> web.StreamResponse:
        refused = self._refused(request)
        if refused is not None:
            return refused
        upload = self.uploads[request.match_info["media_id"]]
        return web.Response(body=upload.content, content_type=upload.content_type)

    def _refused(self, request: web.Request) -> web.Response | None:
        self.calls += 1
        if self.token in str(request.url):
            self.violations.append("a token in an address")
        if self.down_until is not None and self.clock() < self.down_until:
            return web.Response(status=503, text="Service Unavailable")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return error_response(190, status=401)
        return None


@asynccontextmanager
async def graph_server(clock: Clock | None = None) -> AsyncIterator[GraphServer]:
    server = GraphServer(clock or _now)
    await server.appear()
    try:
        yield server
    finally:
        await server.close()


async def _read(request: web.Request) -> tuple[dict[str, Any], bytes | None]:
    if not request.content_type.startswith("multipart/"):
        return await request.json(), None
    form = await request.post()
    file = form["filedata"]
    assert isinstance(file, web.FileField)
    body = {
        key: json.loads(value) if value.startswith("{") else value
        for key, value in form.items()
        if isinstance(value, str)
    }
    return body, file.file.read()


def _now() -> datetime:
    return datetime.now(UTC)
