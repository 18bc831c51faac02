"""A Socket.IO client of a few lines: a thousand of them must fit beside the server they load.

Speaks Engine.IO 4 over WebSocket alone. Frames are handed on as they come, unread: most of
them are only counted.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp

from bench.errors import TookTooLong, UnexpectedAnswer

Hear = Callable[[str], None]
"""Gets every event's frame: `42["name",{…}]`."""

EVENT = "42"
_PING, _PONG = "2", "3"
_CONNECT, _REFUSED, _ACK = "40", "44", "43"
_PATIENCE = 30.0


class Socket:
    """One connected client."""

    def __init__(self, stream: aiohttp.ClientWebSocketResponse, hear: Hear) -> None:
        self._stream = stream
        self._hear = hear
        self._calls = count()
        self._acks: dict[str, asyncio.Future[Any]] = {}
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls, session: aiohttp.ClientSession, url: str, token: str, hear: Hear
    ) -> "Socket":
        """Return when the server has accepted us. Raises UnexpectedAnswer when it refuses."""
        try:
            # No heartbeat of ours and no compression: the server's settings are measured.
            stream = await session.ws_connect(
                f"{url}/socket.io/?EIO=4&transport=websocket", compress=0, max_msg_size=0
            )
        except aiohttp.ClientError as error:
            raise UnexpectedAnswer(f"{url} takes no sockets: {error}") from error
        await stream.receive_str()  # the Engine.IO handshake
        await stream.send_str(_CONNECT + json.dumps({"token": token}))
        answer = await stream.receive_str()
        if not answer.startswith(_CONNECT):
            raise UnexpectedAnswer(f"{url} refuses a socket: {answer[:200]}")
        socket = cls(stream, hear)
        socket._reader = asyncio.create_task(socket._read())
        return socket

    async def call(self, event: str, data: Mapping[str, object]) -> Any:  # noqa: ANN401
        """Send an event and return what its acknowledgement carries."""
        number = str(next(self._calls))
        ack = self._acks[number] = asyncio.get_running_loop().create_future()
        await self._stream.send_str(f"{EVENT}{number}{json.dumps([event, data])}")
        try:
            async with asyncio.timeout(_PATIENCE):
                return await ack
        except TimeoutError:
            raise TookTooLong(f"the event {event} was not acknowledged") from None

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        await self._stream.close()

    async def _read(self) -> None:
        async for frame in self._stream:
            text = frame.data
            if text.startswith(EVENT):
                self._hear(text)
            elif text == _PING:
                await self._stream.send_str(_PONG)
            elif text.startswith(_ACK):
                number, _, carried = text.removeprefix(_ACK).partition("[")
                self._acks.pop(number).set_result(json.loads("[" + carried))


@asynccontextmanager
async def connector() -> AsyncIterator[aiohttp.ClientSession]:
    """What sockets are opened with; no limit on how many."""
    unlimited = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=unlimited) as session:
        yield session
