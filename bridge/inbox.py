"""What has come in and is not taken yet."""

import asyncio
from collections import deque
from dataclasses import fields, is_dataclass
from sys import getsizeof

from bridge.clients import Clients
from bridge.stanzas import Incoming, Missed, Seen

_SPACE = 16 * 2**20
"""Bytes. Some servers let through stanzas of megabytes."""


class Inbox:
    """A queue in the order of the stream, with one reader, and room for `room` stanzas that take
    no more than `space` bytes together.

    When it is full it takes no more: one Missed stands for all that is left out, and the archive
    has them. Reading no more from the connection would be no help: acknowledgements and pages of
    the archive come by the same one, and whoever reads the archive would wait for them forever. Of
    presences only the latest of each device is kept, since a login brings those of everybody at
    once.
    """

    def __init__(self, room: int = 1000, devices: int = 10_000, space: int = _SPACE) -> None:
        self._room = room
        self._space = space
        self._taken = 0
        self._waiting: deque[tuple[Incoming, int]] = deque()
        self._seen: Clients[Seen] = Clients(devices)
        self._changed = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def fullness(self) -> float:
        """From 0 to 1: how much of its room is taken, or of its space where that is more."""
        return max(len(self._waiting) / self._room, self._taken / self._space)

    def put(self, stanza: Incoming) -> bool:
        """False when it was left out."""
        if isinstance(stanza, Seen):
            return self._put_presence(stanza)
        size = _size(stanza)
        fits = not self._waiting or (
            len(self._waiting) < self._room and self._taken + size <= self._space
        )
        if fits:
            self._waiting.append((stanza, size))
            self._taken += size
        elif not isinstance(self._waiting[-1][0], Missed):
            self._waiting.append((Missed(), 0))
        self._changed.set()
        return fits

    def close(self) -> None:
        """What is there can still be taken; nothing follows it."""
        self._closed = True
        self._changed.set()

    async def take(self) -> Incoming | None:
        """Messages first. None when it is closed and empty."""
        while True:
            if self._waiting:
                stanza, size = self._waiting.popleft()
                self._taken -= size
                return stanza
            if self._seen:
                return self._seen.pop(*next(iter(self._seen)))
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()

    def _put_presence(self, seen: Seen) -> bool:
        jid, _, resource = seen.from_jid.partition("/")
        fits = self._seen.put(jid, resource, seen)
        self._changed.set()
        return fits


def _size(value: object) -> int:
    """Bytes in memory, of a stanza or of what is in it."""
    if is_dataclass(value):
        return sum(_size(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, tuple):
        return sum(map(_size, value))
    return getsizeof(value)
