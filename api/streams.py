"""Who hears of what, in which order: the heart of the sockets, without a socket in it.

A *stream* is what can be subscribed to: the log of one thread, the messages that one colleague
sent or got, or the list of all tickets. It has a *position*, up to which its members have been sent
everything. Two things happen to it:

- `pump` reads what follows the position, sends it to all members, and moves the position on.
- `join` lets somebody in: it reads what lies between where the newcomer stands and the position,
  sends it to the newcomer alone, and makes it a member at the instant when both are level.

Invariant: **a member has been sent exactly what lies before the position, in order.**

Why it holds: sending never waits, so between finding that a newcomer is level and making it a
member, or between sending a page and moving the position past it, nothing else can happen. Only
`pump` moves the position, one pump at a time. Whoever is slow to catch up delays nobody.

Nothing here relies on having heard of every change: a pump reads all there is. It is enough that
some hint, or a reset, follows each change; see `store.feed`.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Generic, Literal, Protocol, TypeVar
from uuid import UUID

import structlog

from domain.models import ThreadRef
from store.feed import Changes, Watch

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Inbox:
    """The messages of team chat that a user sent or got; positions are their ids."""

    user_id: str


TICKETS: Final = "tickets"
Log = ThreadRef | Inbox
"""What is written entry by entry."""
Topic = Log | Literal["tickets"]
"""A log, or the list of all tickets."""

_TICKETS_PAUSE = 0.01
"""Seconds between two reads of the list. A ticket that changes twice within is told of once."""
_RETRY_AFTER = 1.0
"""Seconds, when reading has failed."""
_PUMPS_AT_ONCE = 4
"""So that many busy threads leave database connections for those who join."""
_HEADS_AT_ONCE = 1_000


class Audience(Enum):
    STAFF = auto()
    CUSTOMER = auto()


@dataclass(frozen=True, slots=True)
class Event:
    """Something to send; `private`: not to customers. The payload is plain JSON."""

    name: str
    payload: Mapping[str, Any]
    private: bool
    for_customers: Mapping[str, Any] | None = None
    """What customers get for the payload, where they get something else."""
    besides: str | None = None
    """The socket it came from, which has its answer."""


Position = TypeVar("Position")


@dataclass(frozen=True, slots=True)
class Page(Generic[Position]):
    """A part of a stream, and the position after it; `more`: not all that was asked for."""

    events: list[Event]
    position: Position
    more: bool


class Source(Protocol[Position]):
    """Where the events of one stream are read, a bounded page at a time."""

    async def head(self) -> Position:
        """The position after all there is."""

    async def read(self, since: Position, until: Position | None = None) -> Page[Position]:
        """What follows `since`, up to `until` or up to now."""

    def resume(self, after: int, head: Position) -> Position:
        """Where a client stands who says `afterSeq`; at most `head`, which is up to date."""

    def seq(self, position: Position) -> int:
        """The `afterSeq` of a client who stands there."""


class Sources(Protocol):
    def of(self, topic: Topic) -> Source[Any]: ...

    async def heads(self, logs: Collection[Log]) -> Mapping[Log, int]:
        """How far each of these is written."""


class Gone(Exception):
    """A client is no longer there, or takes nothing any more."""


class Outlet(Protocol):
    """The way to the clients."""

    def send(self, event: str, payload: Mapping[str, Any], to: Iterable[str]) -> None:
        """Queue an event for each of these sockets, those that are gone excepted. Never waits."""

    async def drained(self, sid: str) -> None:
        """Wait until a client has taken what was queued for it. Raises Gone."""


class Stream(Generic[Position]):
    """One stream and its members. Lives as long as it has any; `guests` are about to join."""

    def __init__(self, source: Source[Position], outlet: Outlet) -> None:
        self._source = source
        self._outlet = outlet
        self._position: Position | None = None
        self._hinted = False
        self._turn = asyncio.Lock()
        self._asked = 0
        self._served = 0
        self._joined_at: dict[str, Position] = {}
        """From where on each member was sent everything."""
        self.members: dict[str, Audience] = {}
        self.guests = 0

    @property
    def seq(self) -> int | None:
        """Up to where the members have been sent everything; None before anybody could join."""
        return None if self._position is None else self._source.seq(self._position)

    async def pump(self) -> None:
        """Send the members all that is committed by now.

        Whoever asks while somebody else is reading waits for the next reading, and all who wait
        share it: a hundred hints, or a hundred newcomers, cost one.
        """
        if self._position is None:
            self._hinted = True
            return
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._served >= mine:
                return
            serves = self._asked
            more = True
            while more:
                page = await self._source.read(self._position)
                self._send(page, self.members)
                self._position, more = page.position, page.more
            self._served = serves

    async def join(self, sid: str, audience: Audience, after: int | None) -> int:
        """Send a client what follows `after`, and from then on everything.

        Without `after`, only what is committed from now on. Returns the seq up to which
        everything has been sent. Joining for a second time doubles nothing, but sends what lies
        between `after` and the place where the client joined first. Raises Gone.
        """
        if sid in self.members and self._position is not None:
            if after is not None:
                await self._fill_in(sid, audience, after)
            return self._source.seq(self._position)
        head = await self._up_to_date()
        position = first = head if after is None else self._source.resume(after, head)
        while position != self._position:
            position = await self._send_page(sid, audience, position, self._position)
        self.members[sid] = audience
        self._joined_at[sid] = first
        return self._source.seq(position)

    def drop(self, sid: str) -> None:
        """Harmless for those who are not members."""
        self.members.pop(sid, None)
        self._joined_at.pop(sid, None)

    async def _fill_in(self, sid: str, audience: Audience, after: int) -> None:
        until = self._joined_at[sid]
        position = first = self._source.resume(after, until)
        while position != until:
            position = await self._send_page(sid, audience, position, until)
        self._joined_at[sid] = first

    async def _send_page(
        self, sid: str, audience: Audience, since: Position, until: Position | None
    ) -> Position:
        page = await self._source.read(since, until)
        self._send(page, {sid: audience})
        if page.more:
            await self._outlet.drained(sid)
        return page.position

    async def _up_to_date(self) -> Position:
        if self._position is not None:
            await self.pump()
            return self._position
        async with self._turn:
            while self._position is None:
                # A hint that comes while we read may be of something that we do not see yet.
                self._hinted = False
                head = await self._source.head()
                if not self._hinted:
                    self._position = head
            return self._position

    def _send(self, page: Page[Position], members: Mapping[str, Audience]) -> None:
        for event in page.events:
            told = [sid for sid in members if sid != event.besides]
            if not event.private and event.for_customers is None:
                self._outlet.send(event.name, event.payload, told)
                continue
            staff = [sid for sid in told if members[sid] is Audience.STAFF]
            self._outlet.send(event.name, event.payload, staff)
            if event.for_customers is not None:
                others = set(told) - set(staff)
                self._outlet.send(event.name, event.for_customers, others)


class Streams:
    """All streams that somebody is subscribed to, and what keeps them going."""

    def __init__(self, sources: Sources, outlet: Outlet) -> None:
        self._sources = sources
        self._outlet = outlet
        self._streams: dict[Topic, Stream[Any]] = {}
        self._threads: dict[UUID, ThreadRef] = {}
        """Those that have a stream, by their id: hints tell no more than that."""
        self._topics: dict[str, set[Topic]] = {}
        self._at_once = asyncio.Semaphore(_PUMPS_AT_ONCE)
        self._waiting: set[Topic] = set()
        self._tickets_changed = asyncio.Event()
        self._retry: asyncio.TimerHandle | None = None

    async def subscribe(self, sid: str, topic: Topic, audience: Audience, after: int | None) -> int:
        """See `Stream.join`."""
        stream = self._streams.get(topic)
        if stream is None:
            stream = self._streams[topic] = Stream(self._sources.of(topic), self._outlet)
            if isinstance(topic, ThreadRef):
                self._threads[topic.id] = topic
        stream.guests += 1
        try:
            seq = await stream.join(sid, audience, after)
            self._topics.setdefault(sid, set()).add(topic)
        finally:
            stream.guests -= 1
            self._forget_if_unused(topic)
        return seq

    def unsubscribe(self, sid: str, topic: Topic) -> None:
        """Harmless where there is no such subscription."""
        self._topics.get(sid, set()).discard(topic)
        stream = self._streams.get(topic)
        if stream is not None:
            stream.drop(sid)
            self._forget_if_unused(topic)

    def leave(self, sid: str) -> None:
        """End all subscriptions of a client."""
        for topic in self._topics.pop(sid, set()).copy():
            self.unsubscribe(sid, topic)

    def is_subscribed(self, sid: str, topic: Topic) -> bool:
        return topic in self._topics.get(sid, set())

    def relay(self, topic: Topic, event: str, payload: Mapping[str, Any], besides: str) -> None:
        """Pass on what is in no log to all members but one."""
        stream = self._streams.get(topic)
        if stream is not None:
            others = [sid for sid in stream.members if sid != besides]
            self._outlet.send(event, payload, others)

    def tell_staff(self, topic: Topic, event: str, payload: Mapping[str, Any]) -> None:
        """The same, for staff alone."""
        stream = self._streams.get(topic)
        if stream is not None:
            staff = [sid for sid, who in stream.members.items() if who is Audience.STAFF]
            self._outlet.send(event, payload, staff)

    def has_listeners(self, topic: Topic) -> bool:
        return topic in self._streams

    async def follow(self, watch: Watch) -> None:
        """Send what changes, forever. What cannot be read at the moment is tried again."""
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(self._follow_tickets(watch))
            while True:
                changes = await watch.changes()
                if changes.threads or changes.reset:
                    self._tickets_changed.set()
                logs = await self._behind(watch) if changes.reset else self._hinted(changes)
                for topic in logs - self._waiting:
                    self._waiting.add(topic)
                    pumps.create_task(self._pump(topic, watch))

    async def _follow_tickets(self, watch: Watch) -> None:
        while True:
            await self._tickets_changed.wait()
            self._tickets_changed.clear()
            await self._pump(TICKETS, watch)
            await asyncio.sleep(_TICKETS_PAUSE)

    async def _pump(self, topic: Topic, watch: Watch) -> None:
        async with self._at_once:
            self._waiting.discard(topic)
            stream = self._streams.get(topic)
            if stream is None:
                return
            try:
                await stream.pump()
            except Exception:
                log.exception("stream_unreadable", topic=str(topic))
                self._retry_later(watch)

    def _hinted(self, changes: Changes) -> set[Log]:
        """Logs that have a stream, and may be written further than it."""
        threads: set[Log] = {self._threads[each] for each in changes.threads & self._threads.keys()}
        return threads | {inbox for inbox in map(Inbox, changes.inboxes) if inbox in self._streams}

    async def _behind(self, watch: Watch) -> set[Log]:
        """Logs that are written further than their stream, without reading them all."""
        logs = [topic for topic in self._streams if topic != TICKETS]
        behind: set[Log] = set()
        try:
            for start in range(0, len(logs), _HEADS_AT_ONCE):
                heads = await self._sources.heads(logs[start : start + _HEADS_AT_ONCE])
                behind |= {each for each in heads if heads[each] != self._seq(each)}
        except Exception:
            log.exception("heads_unreadable")
            self._retry_later(watch)
        return behind

    def _seq(self, log: Log) -> int | None:
        stream = self._streams.get(log)
        return stream.seq if stream else None

    def _retry_later(self, watch: Watch) -> None:
        """Everything once more, whatever it was: failures are rare, and mostly concern all."""
        if self._retry is None or self._retry.when() < asyncio.get_running_loop().time():
            self._retry = asyncio.get_running_loop().call_later(_RETRY_AFTER, watch.reset)

    def _forget_if_unused(self, topic: Topic) -> None:
        stream = self._streams.get(topic)
        if stream is not None and not stream.members and not stream.guests:
            del self._streams[topic]
            if isinstance(topic, ThreadRef):
                del self._threads[topic.id]
