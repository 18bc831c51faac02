"""What may travel over a socket: text, strict JSON, and not too much of it at once."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import parse_qs

from engineio.async_drivers.asgi import WebSocket
from engineio.packet import NOOP
from engineio.packet import Packet as EnginePacket
from engineio.payload import Payload
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT, Packet

from api.bodies import parse_json

MAX_FRAME = 64 * 1024
"""Bytes that a client may send at once."""
_TIME_TO_UPGRADE = 10.0


class ServerOptions(TypedDict):
    """What uvicorn has to be told: `uvicorn.Config(asgi, **SERVER_OPTIONS)`."""

    ws_max_size: int
    ws_per_message_deflate: bool
    proxy_headers: bool


SERVER_OPTIONS: ServerOptions = {
    "ws_max_size": MAX_FRAME,
    # Browsers ask for it, and it doubles the memory of a socket (51 to 105 KB, measured).
    "ws_per_message_deflate": False,
    # Limits count by address: behind a proxy, by the one that the proxy tells. Which proxies are
    # believed is in FORWARDED_ALLOW_IPS, a variable of uvicorn's.
    "proxy_headers": True,
}


class StrictJson:
    """As the library wants it: what `json` looks like, but taking RFC 8259 alone."""

    loads = staticmethod(parse_json)

    @staticmethod
    def dumps(value: object, separators: tuple[str, str] = (",", ":")) -> str:
        return json.dumps(value, separators=separators, ensure_ascii=False)


_FRAMES = frozenset("0123456")
"""What a text frame may begin with: its type."""
RESERVED_EVENTS = frozenset({"connect", "disconnect"})
"""The library runs our handlers of these names, whoever it was that said the name."""


class TextPacket(Packet):  # type: ignore[misc]  # the library has no types
    """A packet that clients may send. Raises ValueError for any other."""

    uses_binary_events = False

    def decode(self, encoded_packet: str) -> int:
        super().decode(encoded_packet)
        if self.packet_type not in (CONNECT, DISCONNECT, EVENT, ACK):
            raise ValueError("not a packet for text")
        if self.packet_type == EVENT and not _names_an_event(self.data):
            raise ValueError("not an event")
        return 0


class OutgoingQueue(asyncio.Queue[EnginePacket | None]):
    """What waits to be sent to one client, and how much it is: `backlog` in characters.

    Its reader, the library, takes all it can get in one go. It gets a few packets at a time, so
    that the backlog stays where it can be seen, and because Python clients refuse to poll more.
    """

    backlog = 0
    _taken = 0

    async def put(self, item: EnginePacket | None) -> None:
        """As the library does it. A NOOP is there to end a poll, which whatever waits does too;
        clients can ask for any number of them."""
        if item is None or item.packet_type != NOOP or self.empty():
            await super().put(item)

    async def get(self) -> EnginePacket | None:
        self._taken = 0
        return await super().get()

    def get_nowait(self) -> EnginePacket | None:
        if self._taken >= Payload.max_decode_packets:
            raise asyncio.QueueEmpty
        item = super().get_nowait()
        self._taken += 1
        return item

    def clear(self) -> None:
        while not self.empty():
            super().get_nowait()
            self.task_done()

    def _put(self, item: EnginePacket | None) -> None:
        super()._put(item)
        self.backlog += _size(item)

    def _get(self) -> EnginePacket | None:
        item = super()._get()
        self.backlog -= _size(item)
        return item


class FrameSocket(WebSocket):  # type: ignore[misc]  # the library has no types
    """A WebSocket as the library's handler wants it, and knows to end it: by OSError.

    What is no frame of Engine.IO ends it too; the library would fail, and leave everything as it
    was. So does an upgrade whose two frames do not come, for which the library waits forever. That
    is told by a frame that nobody expects, and polling goes on: after an OSError it would not.
    """

    _of_upgrade = 0
    """Frames that are still to come for it."""

    async def __call__(self, environ: Mapping[str, Any]) -> str:
        if "sid" in parse_qs(environ["QUERY_STRING"]):
            self._of_upgrade = 2
        ended: str = await super().__call__(environ)
        return ended

    async def wait(self) -> str | bytes:
        if not self._of_upgrade:
            return await self._frame()
        self._of_upgrade -= 1
        try:
            async with asyncio.timeout(_TIME_TO_UPGRADE):
                return await self._frame()
        except OSError:
            return str(NOOP)

    async def _frame(self) -> str | bytes:
        frame: str | bytes = await super().wait()
        if isinstance(frame, str) and frame[:1] not in _FRAMES:
            raise OSError("not a frame")
        return frame


def _names_an_event(data: object) -> bool:
    return (
        isinstance(data, list)
        and bool(data)
        and isinstance(data[0], str)
        and data[0] not in RESERVED_EVENTS
    )


def _size(packet: EnginePacket | None) -> int:
    return len(packet.data) if packet is not None and isinstance(packet.data, str) else 0
