"""The queue as the desk sees it: `queue:snapshot`, all who wait by waiting time.

    board = QueueBoard(read, outlet)
    await board.join(sid)   # the first snapshot has been sent
    board.changed()         # something may have: whoever saw another queue gets a snapshot
    await board.run()       # forever

A snapshot tells the whole, so none of them matters but the last. The promise:

    After the last change, every member is sent a snapshot that shows it. Between two snapshots
    for one member lie PAUSE seconds at least; while nothing changes there are none.

Why it holds: `changed` is remembered until somebody has looked after it, looks come one after
the other, and whoever was left out because the pause was not over is looked after in the next
round. Nothing relies on hearing of every change once: any later look shows them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)

SNAPSHOT = "queue:snapshot"
ENTRIES = 100
"""So many are shown; `GET /api/agent/queue` lists them all."""
PAUSE = 0.25
"""Seconds: four snapshots a second, however busy the queue."""
_RETRY_AFTER = 1.0
_PASSES_BY_ITSELF = "waitSeconds"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`entries` are plain JSON, ENTRIES of them at most."""

    entries: Sequence[dict[str, Any]]

    def differs_from(self, other: "Snapshot | None") -> bool:
        """Whether more than time has passed."""
        return other is None or _lasting(self.entries) != _lasting(other.entries)


class Outlet(Protocol):
    """The way to the clients."""

    def send(self, event: str, payload: Sequence[dict[str, Any]], to: Iterable[str]) -> None:
        """Queue an event for each of these sockets, those that are gone excepted. Never waits."""


@dataclass(slots=True)
class _Member:
    version: int
    """Of the queue, as it was shown to them last."""
    quiet_until: float


class QueueBoard:
    def __init__(self, read: Callable[[], Awaitable[Snapshot]], outlet: Outlet) -> None:
        self._read = read
        self._outlet = outlet
        self._members: dict[str, _Member] = {}
        self._snapshot: Snapshot | None = None
        self._version = 0
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._asked = 0
        self._served = 0

    def changed(self) -> None:
        self._changed.set()

    async def join(self, sid: str) -> None:
        """Send a client the queue as it is now, and from then on whenever it has changed.

        Joining for a second time does nothing.
        """
        if sid in self._members:
            return
        await self._look()
        now = asyncio.get_running_loop().time()
        self._members[sid] = _Member(self._version, now + PAUSE)
        self._show([sid])
        # The others may not have seen what the newcomer was shown.
        if any(member.version != self._version for member in self._members.values()):
            self._changed.set()

    def leave(self, sid: str) -> bool:
        """Whether the client was a member."""
        return self._members.pop(sid, None) is not None

    async def run(self) -> None:
        """Show what changes, forever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not self._members:
                continue
            try:
                await self._look()
            except Exception:
                log.exception("queue_unreadable")
                self._changed.set()
                await asyncio.sleep(_RETRY_AFTER)
                continue
            self._show_to_those_behind()
            await asyncio.sleep(PAUSE)

    async def _look(self) -> None:
        """Read the queue. All who wait for a look share the next one."""
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._served >= mine:
                return
            serves = self._asked
            snapshot = await self._read()
            if snapshot.differs_from(self._snapshot):
                self._version += 1
            self._snapshot = snapshot
            self._served = serves

    def _show_to_those_behind(self) -> None:
        now = asyncio.get_running_loop().time()
        due: list[str] = []
        for sid, member in self._members.items():
            if member.version == self._version:
                continue
            if member.quiet_until > now:
                self._changed.set()
                continue
            member.version = self._version
            due.append(sid)
        if due:
            self._show(due)

    def _show(self, to: Sequence[str]) -> None:
        if self._snapshot is not None:
            self._outlet.send(SNAPSHOT, self._snapshot.entries, to)
            log.debug("queue_snapshot", entries=len(self._snapshot.entries), sockets=len(to))


def _lasting(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in entry.items() if name != _PASSES_BY_ITSELF}
        for entry in entries
    ]
