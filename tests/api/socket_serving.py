"""An api process with sockets behind a real server, and clients that write down what they get."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self, cast
from urllib.parse import urlencode
from uuid import UUID

import socketio
import uvicorn

from api.app import create_app
from api.config import ApiConfig
from api.socket_frames import SERVER_OPTIONS
from api.sockets import Sockets, create_sockets
from domain.ids import ticket_id_text
from store.database import Database
from store.postgres_feed import PostgresFeed
from tests.api.conftest import JudgingEngine
from workflows.engine import Engine

PATIENCE = 20.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to pytest."""
        yield


class ApiProcess:
    """What one api process is made of. It shares nothing with another but the database."""

    def __init__(self, url: str, sockets: Sockets, engine: JudgingEngine) -> None:
        self.url = url
        self.sockets = sockets
        self.engine = engine


@asynccontextmanager
async def api_process(config: ApiConfig, dsn: str) -> AsyncIterator[ApiProcess]:
    database = Database(dsn)
    engine = JudgingEngine(database, config)
    app = create_app(config, database, cast("Engine", engine))
    sockets = create_sockets(app.state.services, PostgresFeed(database, heartbeat=1))
    server = _Server(
        uvicorn.Config(
            sockets.asgi(app),
            port=0,
            log_level="warning",
            timeout_graceful_shutdown=1,
            **SERVER_OPTIONS,
        )
    )
    bound = server.config.bind_socket()
    bound.listen()
    async with sockets.running():
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield ApiProcess(f"http://127.0.0.1:{bound.getsockname()[1]}", sockets, engine)
        finally:
            server.should_exit = True
            await serving
    await database.close()


class Listener:
    """A Socket.IO client. `events` are pairs of name and payload, in the order of arrival.

    What is told of colleagues who come and go is in `presences`: it can come at any time.
    """

    def __init__(self, url: str, token: str, *transports: str, **query: object) -> None:
        self.events: list[tuple[str, Any]] = []
        self.presences: list[dict[str, Any]] = []
        self.disconnected = asyncio.Event()
        self._url = f"{url}?{urlencode(query)}" if query else url
        self._token = token
        self._transports = list(transports) or ["websocket"]
        self._arrived = asyncio.Event()
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("*", self._take)
        self.client.on("connect_error", partial(self._take, "connect_error"))
        self.client.on("disconnect", self._note_disconnect)

    async def __aenter__(self) -> Self:
        await self.client.connect(
            self._url,
            auth={"token": self._token},
            transports=self._transports,
            wait_timeout=PATIENCE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.disconnect()

    async def call(self, event: str, payload: object) -> dict[str, Any]:
        """What the server acknowledges with."""
        answer: dict[str, Any] = await self.client.call(event, payload, timeout=PATIENCE)
        return answer

    async def subscribe(self, ticket_id: UUID, after: int | None = None) -> dict[str, Any]:
        request: dict[str, object] = {"ticketId": ticket_id_text(ticket_id)}
        if after is not None:
            request["afterSeq"] = after
        return await self.call("subscribe", request)

    async def follow(self, conversation_id: UUID, after: int | None = None) -> dict[str, Any]:
        """The same for a conversation."""
        request: dict[str, object] = {"conversationId": str(conversation_id)}
        if after is not None:
            request["afterSeq"] = after
        return await self.call("subscribe", request)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for events until `reached`."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self._arrived.clear()
                await self._arrived.wait()

    async def until_it_has(self, seq: int) -> None:
        """An entry of a log."""
        await self.until(lambda: seq in self.seqs)

    async def next(self, name: str) -> dict[str, Any]:
        """The payload of the first event of a name."""
        await self.until(lambda: bool(self.payloads(name)))
        return self.payloads(name)[0]

    def payloads(self, name: str) -> list[dict[str, Any]]:
        return [payload for event, payload in self.events if event == name]

    @property
    def seqs(self) -> list[int]:
        """Of the entries of logs that came, messages and events alike."""
        return [
            payload["message"]["seq"] if name.endswith(":message") else payload["seq"]
            for name, payload in self.events
            if name in ("ticket:message", "ticket:event", "chat:message", "system:event")
        ]

    def _take(self, event: str, payload: Any = None) -> None:  # noqa: ANN401  it is any JSON
        if event == "presence":
            self.presences.append(payload)
        else:
            self.events.append((event, payload))
        self._arrived.set()

    def _note_disconnect(self, _reason: str) -> None:
        self.disconnected.set()
