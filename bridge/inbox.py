"""What has come in and is not taken yet."""

import asyncio
from collections import deque

from bridge.stanzas import Incoming, Missed, Seen


class Inbox:
    """A queue in the order of the stream, with room for `room` stanzas and one reader.

    When it is full it takes no more messages: one Missed stands for all that is left out, and the
    archive has them. Reading no more from the connection would be no help: acknowledgements and
    pages of the archive come by the same one, and whoever reads the archive would wait for them
    forever. Of presences only the latest of each device is kept, since a login brings those of
    everybody at once.
    """

    def __init__(self, room: int = 1000, devices: int = 10_000) -> None:
        self._room = room
        self._devices = devices
        self._waiting: deque[Incoming] = deque()
        self._seen: dict[str, Seen] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, stanza: Incoming) -> bool:
        """False when it was left out."""
        if isinstance(stanza, Seen):
            return self._put_presence(stanza)
        fits = len(self._waiting) < self._room
        if fits:
            self._waiting.append(stanza)
        elif not isinstance(self._waiting[-1], Missed):
            self._waiting.append(Missed())
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
                return self._waiting.popleft()
            if self._seen:
                return self._seen.pop(next(iter(self._seen)))
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()

    def _put_presence(self, seen: Seen) -> bool:
        fits = len(self._seen) < self._devices or seen.from_jid in self._seen
        if fits:
            self._seen[seen.from_jid] = seen
        self._changed.set()
        return fits
