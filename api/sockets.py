"""Socket.IO: who is connected, what they may subscribe to, and what they say.

    sockets = create_sockets(services, feed)
    asgi = sockets.asgi(app)
    async with sockets.running():
        ...  # serve `asgi`

A client subscribes by its handshake's query (`scope`, `conversationId`, `ticketId`, `afterSeq`),
and later by `subscribe` and `unsubscribe`. A colleague's socket follows its own inbox of team chat
besides, from the handshake's `afterMessageId` on. Its token alone says what it may see. What cannot
be done is told in the acknowledgement, as `{code, message}`, or by `system:error`; refused
subscriptions by both.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import socketio
import structlog
from limits import RateLimitItemPerMinute
from starlette.types import ASGIApp

from api.attachment_news import AttachmentNews
from api.delivery_news import DeliveryNews
from api.presence import Presence
from api.queue_board import QueueBoard
from api.queue_source import QueueSource
from api.services import Services
from api.socket_chat import ChatCommands
from api.socket_commands import Answer, Caller
from api.socket_credentials import expires_in, token_in
from api.socket_inbox import ARRIVAL, Commands, Inbox, refusal_of
from api.socket_receiver import Call, Handshake, NotNow, Refused
from api.socket_requests import inbox_in, subscription_in
from api.socket_seats import Seats
from api.socket_server import SocketServer
from api.socket_subscriptions import Subscriptions
from api.socket_tasks import Tasks
from api.socket_team import TeamCommands
from api.socket_whispers import Whispers, event_of
from api.stream_sources import DatabaseSources
from api.streams import Gone, Streams
from api.team_news import NewsOfTeam
from domain.errors import (
    InsufficientPermissions,
    InvalidRequest,
    NotAuthenticated,
    TooManyRequests,
)
from domain.principals import Principal, Role
from store.attendance import Person
from store.feed import Feed, Watch, Whisper, WhisperKind

log = structlog.get_logger(__name__)

_RESTART_AFTER = 1.0
_TIME_TO_END = 1.0
"""Seconds that is given, when the server stops, to what clients have asked for just before."""


@dataclass(slots=True)
class Client:
    """A connected socket."""

    sid: str
    principal: Principal
    address: str
    key: str | None
    """The service key it came with: keys can be revoked."""
    person: Person | None
    """Whose being here it counts for."""
    here: bool = False
    expiry: asyncio.TimerHandle | None = None
    wanted: list[Call] = field(default_factory=list)
    """What it has asked for in the handshake, and what comes by itself."""
    inbox: Inbox = field(init=False)


class Sockets:
    """The sockets of one api process. A `Receiver` for the server."""

    def __init__(self, services: Services, feed: Feed) -> None:
        config, database = services.config, services.database
        self._feed = feed
        self._authenticator = services.authenticator
        self._limits = services.limits
        self._limit = RateLimitItemPerMinute(config.rate_limit_caller)
        self._seats = Seats(config.sockets_per_visitor, config.sockets_per_address)
        self._server = SocketServer(self, config.frontend_url, config.sockets_per_address)
        self._streams = Streams(DatabaseSources(database), self._server)
        self._delivery_news = DeliveryNews(database, self._streams)
        self._attachment_news = AttachmentNews(database, self._streams)
        self._board = QueueBoard(QueueSource(database).read, self._server)
        self.presence = Presence(database, services.engine.nudge_soon)
        self._clients: dict[str, Client] = {}
        self._tasks = Tasks()
        self._team_news = NewsOfTeam(
            database, self._streams, self._server, self._colleagues, self._tasks
        )
        self._subscriptions = Subscriptions(database, self._streams, self._board)
        chat = ChatCommands(services)
        self._commands = Commands(
            prompt={
                **self._subscriptions.table(),
                **Whispers(database, feed, self._subscriptions).table(),
                **chat.table(),
                **TeamCommands(database).table(),
                "subscribe": self._subscribe,
                ARRIVAL: self._follow_own_inbox,
            },
            judged=chat.judged(),
        )

    def asgi(self, app: ASGIApp) -> ASGIApp:
        """`app` with Socket.IO at `/socket.io/`. Its lifespan stays its own."""
        wrapped: ASGIApp = socketio.ASGIApp(self._server, app, socketio_path="socket.io")
        return wrapped

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to the feed and send what changes, until the block ends."""
        with self._feed.watch() as threads, self._feed.watch() as others:
            async with self._feed.running(), self.presence.running():
                tasks = [
                    asyncio.create_task(_keep(self._streams.follow, threads), name="streams"),
                    asyncio.create_task(_keep(self._follow, others), name="sockets"),
                    asyncio.create_task(self._board.run(), name="queue board"),
                ]
                try:
                    yield
                finally:
                    await self._tasks.end(_TIME_TO_END)
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    await self._server.shutdown()

    async def connect(self, sid: str, handshake: Handshake) -> None:
        try:
            token = token_in(handshake)
            principal = await self._identify(token, handshake.address)
            await self._count(principal.key)
            person = await self.presence.person_of(principal)
        except (NotAuthenticated, InsufficientPermissions) as error:
            raise Refused(error.code, str(error)) from None
        except Exception as error:
            raise NotNow from error
        address = handshake.address
        key = token if principal.role is Role.SERVICE else None
        client = Client(sid, principal, address, key, person)
        caller, admit = Caller(sid, principal), partial(self._admit, client)
        client.inbox = Inbox(caller, self._commands, self._server, admit, self._tasks)
        if principal.is_staff:
            client.wanted.append(Call(ARRIVAL, [inbox_in(handshake.query)], ack=None))
        wanted = subscription_in(handshake.query, principal)
        if wanted is not None:
            client.wanted.append(Call("subscribe", [wanted], ack=None))
        seconds = expires_in(token, principal)
        # From here on nothing waits: whoever has a seat is a client, and gives it back.
        try:
            self._seats.take(principal, address, self._server.strangers(address))
        except TooManyRequests as error:
            raise Refused(error.code, str(error)) from None
        self._clients[sid] = client
        if seconds is not None:
            client.expiry = asyncio.get_running_loop().call_later(seconds, self._expire, sid)

    def connected(self, sid: str) -> None:
        client = self._clients.get(sid)
        if client is None:
            return
        self._arrive(client)
        for call in client.wanted:
            client.inbox.put(call)

    def called(self, sid: str, call: Call) -> None:
        client = self._clients.get(sid)
        if client is not None and not client.inbox.put(call):
            self._server.drop(sid)

    def disconnected(self, sid: str) -> None:
        client = self._clients.pop(sid, None)
        if client is not None:
            if client.expiry is not None:
                client.expiry.cancel()
            self._seats.give_back(client.principal, client.address)
            if client.here and client.person is not None:
                self.presence.left(client.person)
        self._subscriptions.leave(sid)

    def _arrive(self, client: Client) -> None:
        if client.person is not None:
            client.here = True
            self.presence.arrived(client.person)

    async def _recognize(self, client: Client) -> None:
        """A customer who was unknown on connecting may have come to chat since."""
        client.person = await self.presence.person_of(client.principal)
        if client.sid in self._clients:
            self._arrive(client)

    async def _identify(self, token: str, address: str) -> Principal:
        try:
            return await self._authenticator.identify(token)
        except NotAuthenticated:
            await self._count(f"address:{address}")
            raise

    async def _count(self, who: str) -> None:
        """Count towards the same limit as calls over HTTP. Raises TooManyRequests."""
        (await self._limits.count(self._limit, who)).require()

    async def _admit(self, client: Client) -> None:
        await self._count(client.principal.key)
        if client.person is None and client.principal.is_customer:
            await self._recognize(client)

    async def _subscribe(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        try:
            return await self._subscriptions.subscribe(caller, arguments)
        finally:
            if caller.sid not in self._clients:
                # It left meanwhile.
                self._subscriptions.leave(caller.sid)

    async def _follow_own_inbox(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """For a colleague's socket. When it says from where, but senselessly, it follows from now
        on; what cannot be read at the moment is tried again."""
        try:
            return await self._subscribe(caller, arguments)
        except InvalidRequest:
            self.called(caller.sid, Call(ARRIVAL, [{"scope": "team"}], ack=None))
            raise
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001  mostly the database is away
            log.warning("inbox_not_followed", reason=type(error).__name__)
            again = partial(self.called, caller.sid, Call(ARRIVAL, list(arguments), ack=None))
            asyncio.get_running_loop().call_later(_RESTART_AFTER, again)
            return {}

    def _colleagues(self) -> list[str]:
        """The sockets of all of them."""
        return [client.sid for client in self._clients.values() if client.principal.is_staff]

    async def _follow(self, watch: Watch) -> None:
        while True:
            changes = await watch.changes()
            for whisper in changes.whispers:
                if not isinstance(whisper, Whisper):
                    self._team_news.tell(whisper)
                    continue
                if whisper.kind in (WhisperKind.DELIVERY, WhisperKind.ATTACHMENT):
                    if self._streams.has_listeners(whisper.thread):
                        delivered = whisper.kind is WhisperKind.DELIVERY
                        news = self._delivery_news if delivered else self._attachment_news
                        self._tasks.start(news.tell(whisper))
                    continue
                event, payload = event_of(whisper)
                self._streams.relay(whisper.thread, event, payload, besides=whisper.sid)
            if changes.threads or changes.reset:
                self._board.changed()
            if changes.keys or changes.reset:
                self._authenticator.forget_keys()
                self._tasks.start(self._check_keys())

    async def _check_keys(self) -> None:
        """End the sockets of revoked keys."""
        for client in list(self._clients.values()):
            if client.key is None:
                continue
            try:
                await self._authenticator.identify(client.key)
            except NotAuthenticated as error:
                await self._dismiss(client.sid, error)
            except Exception:
                # The feed is reset when the database is back, and then they are checked again.
                log.warning("key_not_checked", exc_info=True)

    def _expire(self, sid: str) -> None:
        self._tasks.start(self._dismiss(sid, NotAuthenticated("The token has expired.")))

    async def _dismiss(self, sid: str, error: NotAuthenticated) -> None:
        self._server.send("system:error", refusal_of(error), [sid])
        await self._server.end(sid)


def create_sockets(services: Services, feed: Feed) -> Sockets:
    return Sockets(services, feed)


async def _keep(follow: Callable[[Watch], Awaitable[None]], watch: Watch) -> None:
    """Should following ever fail, nothing was seen since: begin again with everything."""
    while True:
        try:
            await follow(watch)
        except Exception:
            log.exception("following_failed")
            await asyncio.sleep(_RESTART_AFTER)
            watch.reset()
