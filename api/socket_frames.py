"""What may travel over a socket: text, strict JSON, and not too much of it at once."""

import asyncio
import json
from typing import TypedDict

from engineio.packet import Packet as EnginePacket
from engineio.payload import Payload
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT, Packet

from api.bodies import parse_json

MAX_FRAME = 64 * 1024
"""Bytes that a client may send at once."""


class ServerOptions(TypedDict):
    """What uvicorn has to be told: `uvicorn.Config(asgi, **SERVER_OPTIONS)`."""

    ws_max_size: int
    ws_per_message_deflate: bool


SERVER_OPTIONS: ServerOptions = {
    "ws_max_size": MAX_FRAME,
    # Browsers ask for it, and it doubles the memory of a socket (51 to 105 KB, measured).
    "ws_per_message_deflate": False,
}


class StrictJson:
    """As the library wants it: what `json` looks like, but taking RFC 8259 alone."""

    loads = staticmethod(parse_json)

    @staticmethod
    def dumps(value: object, separators: tuple[str, str] = (",", ":")) -> str:
        return json.dumps(value, separators=separators, ensure_ascii=False)


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


def _names_an_event(data: object) -> bool:
    return (
        isinstance(data, list)
        and bool(data)
        and isinstance(data[0], str)
        and data[0] not in RESERVED_EVENTS
    )


def _size(packet: EnginePacket | None) -> int:
    return len(packet.data) if packet is not None and isinstance(packet.data, str) else 0
