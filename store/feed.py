"""The change feed: how an api process learns that something has changed.

**A hint is only a hint, the log is the truth.** A watch tells which threads *may* have changed.
Whoever cares reads the log after the last seq it has seen. So a doubled hint costs one read, and
hints can be dropped as long as it is said that some were: by `reset`, after which everything may
have changed. The guarantee:

    After a change is committed, every watch that existed before either gets the thread's id,
    or gets a reset, and gets it after the change can be read.

A reset comes after every (re)connect, because nothing was announced to us while we were away, and
when a watch would otherwise have to remember too much. A feed that hears nothing for a while finds
out by itself whether it is deaf.

**Revisions.** `threads.revision` is the id (xid8) of the last transaction that changed a thread or
its ticket: PostgreSQL hands them out in increasing order, but transactions commit in any order. A
transaction that began early and commits late has a revision below others which were visible long
before it. So "all that is newer than the newest I have seen" loses changes. What is safe to ask
for is whatever came after a *moment*: the set of transactions that had ended when we looked; see
`store.changes`. Towards clients a moment is one number, its *horizon*: the newest revision of
which it is certain that nothing up to it is still to come, the oldest running transaction minus
one. Asking for what came after a horizon never misses a change. It may return one for a second
time.
"""

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.models import ThreadRef
from store.team_news import TeamNews

MAX_THREADS = 10_000
"""So many ids a watch remembers, about a megabyte; reading them all is cheaper than more."""
MAX_WHISPERS = 1_000


class WhisperKind(StrEnum):
    TYPING = "typing"
    READ = "read"
    DELIVERY = "delivery"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class Whisper:
    """Something that is told to those who listen to a thread, and kept by nobody.

    Somebody has begun (`value` 1) or ceased (0) to type, or has read up to the seq `value`; or
    the message with that seq has come further on its way out, or a file in it was fetched. `sid`
    is the socket it came from, which needs not be told; `-` for none.
    """

    thread: ThreadRef
    kind: WhisperKind
    by_customer: bool
    value: int
    sid: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What may have changed since a watch was last asked.

    `reset`: anything may have. `keys`: service keys were made or revoked. `inboxes`: users of team
    chat who sent or got a message.
    """

    threads: frozenset[UUID]
    whispers: tuple[Whisper | TeamNews, ...]
    keys: bool
    reset: bool
    inboxes: frozenset[str] = frozenset()


class Watch:
    """The changes that one consumer has not asked for yet; bounded, however long it does not."""

    def __init__(self) -> None:
        self._threads: set[UUID] = set()
        self._inboxes: set[str] = set()
        self._whispers: deque[Whisper | TeamNews] = deque(maxlen=MAX_WHISPERS)
        self._keys = False
        self._reset = False
        self._changed = asyncio.Event()

    async def changes(self) -> Changes:
        """Wait until there are any, and take them."""
        await self._changed.wait()
        self._changed.clear()
        taken = Changes(
            frozenset(self._threads),
            tuple(self._whispers),
            self._keys,
            self._reset,
            frozenset(self._inboxes),
        )
        self._threads.clear()
        self._inboxes.clear()
        self._whispers.clear()
        self._keys = self._reset = False
        return taken

    def thread_changed(self, thread_id: UUID) -> None:
        if self._reset:
            return
        self._threads.add(thread_id)
        self._note_change()

    def inbox_changed(self, user_id: str) -> None:
        if self._reset:
            return
        self._inboxes.add(user_id)
        self._note_change()

    def whispered(self, whisper: Whisper | TeamNews) -> None:
        self._whispers.append(whisper)
        self._changed.set()

    def keys_changed(self) -> None:
        self._keys = True
        self._changed.set()

    def reset(self) -> None:
        """Hints may have been lost: anything may have changed."""
        self._threads.clear()
        self._inboxes.clear()
        self._reset = True
        self._changed.set()

    def _note_change(self) -> None:
        self._changed.set()
        if len(self._threads) + len(self._inboxes) > MAX_THREADS:
            self.reset()


class Feed(Protocol):
    """Where hints come from."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Listen until the block ends, whatever happens to the other side meanwhile."""

    def watch(self) -> AbstractContextManager[Watch]:
        """What changes from now on."""

    async def tell(self, whisper: Whisper | TeamNews) -> None:
        """Tell all api processes, this one included. May be lost, and then nothing is amiss."""
