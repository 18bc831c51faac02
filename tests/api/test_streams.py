"""Streams without sockets: every member gets everything, once, in order, whatever interleaves."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from api import streams
from api.streams import Audience, Event, Gone, Inbox, Log, Page, Source, Stream, Streams
from domain.models import ThreadKind, ThreadRef
from store.feed import Watch

STAFF, CUSTOMER = Audience.STAFF, Audience.CUSTOMER


def a_thread(kind: ThreadKind = ThreadKind.TICKET) -> ThreadRef:
    return ThreadRef(kind=kind, id=uuid4())


class PretendedLog(Source[int]):
    """Numbers from 1; every third is private. Reading takes a while, and pages are small."""

    def __init__(self, size: int = 0, patience: Callable[[], int] = lambda: 1) -> None:
        self.size = size
        self.reads = 0
        self.broken = False
        self._patience = patience

    async def head(self) -> int:
        size = self.size
        await self._pause()
        return size

    async def read(self, since: int, until: int | None = None) -> Page[int]:
        self.reads += 1
        if self.broken:
            raise ConnectionError
        end = self.size if until is None else until
        last = min(since + 3, end)
        seqs = range(since + 1, last + 1)
        events = [Event("message", {"seq": seq}, private=seq % 3 == 0) for seq in seqs]
        await self._pause()
        return Page(events, last, last < end)

    def resume(self, after: int, head: int) -> int:
        return min(after, head)

    def seq(self, position: int) -> int:
        return position

    async def _pause(self) -> None:
        for _ in range(self._patience()):
            await asyncio.sleep(0)


class PretendedSources:
    def __init__(self) -> None:
        self.logs: defaultdict[Any, PretendedLog] = defaultdict(PretendedLog)

    def of(self, topic: object) -> PretendedLog:
        return self.logs[topic]

    async def heads(self, logs: Collection[Log]) -> dict[Log, int]:
        return {each: self.logs[each].size for each in logs}


class Clients:
    """What each client was sent."""

    def __init__(self) -> None:
        self.seqs: defaultdict[str, list[int]] = defaultdict(list)
        self.gone: set[str] = set()

    def send(self, event: str, payload: Mapping[str, Any], to: Iterable[str]) -> None:
        for sid in to:
            self.seqs[sid].append(payload.get("seq", 0))

    async def drained(self, sid: str) -> None:
        await asyncio.sleep(0)
        if sid in self.gone:
            raise Gone


@pytest.fixture
def clients() -> Clients:
    return Clients()


class TestJoin:
    async def test_without_after_gets_only_what_is_new(self, clients: Clients) -> None:
        log = PretendedLog(5)
        stream = Stream(log, clients)
        assert await stream.join("a", STAFF, None) == 5
        log.size = 7
        await stream.pump()
        assert clients.seqs["a"] == [6, 7]

    async def test_catches_up_in_pages(self, clients: Clients) -> None:
        log = PretendedLog(10)
        assert await Stream(log, clients).join("a", STAFF, 2) == 10
        assert clients.seqs["a"] == list(range(3, 11))
        assert log.reads == 3

    async def test_customer_gets_no_private_events(self, clients: Clients) -> None:
        log = PretendedLog(4)
        stream = Stream(log, clients)
        await stream.join("c", CUSTOMER, 0)
        log.size = 7
        await stream.pump()
        assert clients.seqs["c"] == [1, 2, 4, 5, 7]

    async def test_twice_doubles_nothing(self, clients: Clients) -> None:
        stream = Stream(PretendedLog(3), clients)
        await stream.join("a", STAFF, 0)
        assert await stream.join("a", STAFF, 0) == 3
        assert clients.seqs["a"] == [1, 2, 3]

    async def test_later_after_brings_what_lies_before(self, clients: Clients) -> None:
        """A front end that connects first, and says only then how far it had come."""
        log = PretendedLog(10)
        stream = Stream(log, clients)
        await stream.join("a", STAFF, None)
        assert await stream.join("a", STAFF, 4) == 10
        assert clients.seqs["a"] == [5, 6, 7, 8, 9, 10]
        assert await stream.join("a", STAFF, 4) == 10
        assert await stream.join("a", STAFF, 8) == 10
        log.size = 11
        await stream.pump()
        assert clients.seqs["a"] == list(range(5, 12))

    async def test_one_who_knows_more_than_the_members_gets_nothing_twice(
        self, clients: Clients
    ) -> None:
        log = PretendedLog(3)
        stream = Stream(log, clients)
        await stream.join("a", STAFF, 3)
        log.size = 6  # nobody has told the stream yet, but b has read it elsewhere
        await stream.join("b", STAFF, 6)
        log.size = 7
        await stream.pump()
        assert clients.seqs == {"a": [4, 5, 6, 7], "b": [7]}

    async def test_after_of_another_history_counts_as_now(self, clients: Clients) -> None:
        log = PretendedLog(3)
        stream = Stream(log, clients)
        assert await stream.join("a", STAFF, 99) == 3
        log.size = 4
        await stream.pump()
        assert clients.seqs["a"] == [4]

    async def test_one_who_leaves_while_catching_up_is_no_member(self, clients: Clients) -> None:
        stream = Stream(PretendedLog(9), clients)
        clients.gone.add("a")
        with pytest.raises(Gone):
            await stream.join("a", STAFF, 0)
        assert not stream.members

    async def test_what_is_written_during_the_first_look_is_not_lost(
        self, clients: Clients
    ) -> None:
        log = PretendedLog(3, patience=lambda: 5)
        stream = Stream(log, clients)
        joining = asyncio.create_task(stream.join("a", STAFF, None))
        await asyncio.sleep(0)
        log.size = 4
        await stream.pump()
        assert await joining == 4

    async def test_a_slow_newcomer_delays_nobody(self, clients: Clients) -> None:
        log = PretendedLog(9)
        stream = Stream(log, clients)
        await stream.join("quick", STAFF, None)
        taken = asyncio.Event()
        clients.drained = lambda sid: taken.wait()  # type: ignore[method-assign,assignment,return-value]
        slow = asyncio.create_task(stream.join("slow", STAFF, 0))
        log.size = 10
        await stream.pump()
        assert clients.seqs["quick"] == [10]
        taken.set()
        assert await slow == 10
        assert clients.seqs["slow"] == list(range(1, 11))


class TestPump:
    async def test_many_at_once_share_a_reading(self, clients: Clients) -> None:
        log = PretendedLog()
        stream = Stream(log, clients)
        await stream.join("a", STAFF, None)
        log.size = 2
        await asyncio.gather(*(stream.pump() for _ in range(50)))
        assert clients.seqs["a"] == [1, 2]
        assert log.reads == 2

    async def test_failed_reading_is_made_up_for(self, clients: Clients) -> None:
        log = PretendedLog()
        stream = Stream(log, clients)
        await stream.join("a", STAFF, None)
        log.size, log.broken = 2, True
        with pytest.raises(ConnectionError):
            await stream.pump()
        log.broken = False
        await stream.pump()
        assert clients.seqs["a"] == [1, 2]


class Followed:
    """Streams that follow a watch."""

    def __init__(self, clients: Clients) -> None:
        self.sources = PretendedSources()
        self.watch = Watch()
        self.streams = Streams(self.sources, clients)
        self.clients = clients

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():
                await asyncio.sleep(0.001)


@pytest.fixture
async def followed(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Followed]:
    monkeypatch.setattr(streams, "_RETRY_AFTER", 0.01)
    followed = Followed(clients)
    task = asyncio.create_task(followed.streams.follow(followed.watch))
    yield followed
    task.cancel()


class TestStreams:
    async def test_hint_brings_what_is_new(self, followed: Followed) -> None:
        topic = a_thread()
        await followed.streams.subscribe("a", topic, STAFF, None)
        followed.sources.logs[topic].size = 2
        followed.watch.thread_changed(topic.id)
        await followed.until(lambda: followed.clients.seqs["a"] == [1, 2])

    async def test_nobody_subscribed_nothing_read(self, followed: Followed) -> None:
        quiet, topic = a_thread(), a_thread()
        await followed.streams.subscribe("a", topic, STAFF, None)
        followed.sources.logs[quiet].size = followed.sources.logs[topic].size = 1
        followed.watch.thread_changed(quiet.id)
        followed.watch.thread_changed(topic.id)
        await followed.until(lambda: followed.clients.seqs["a"] == [1])
        assert followed.sources.logs[quiet].reads == 0

    async def test_reset_reads_only_what_has_moved(self, followed: Followed) -> None:
        moved, still = a_thread(), a_thread()
        for topic in (moved, still):
            await followed.streams.subscribe("a", topic, STAFF, None)
        followed.sources.logs[moved].size = 1
        followed.watch.reset()
        await followed.until(lambda: followed.clients.seqs["a"] == [1])
        assert followed.sources.logs[still].reads == 0

    async def test_failure_is_retried(self, followed: Followed) -> None:
        topic = a_thread()
        await followed.streams.subscribe("a", topic, STAFF, None)
        log = followed.sources.logs[topic]
        log.size, log.broken = 1, True
        followed.watch.thread_changed(topic.id)
        await followed.until(lambda: log.reads > 0)
        log.broken = False
        await followed.until(lambda: followed.clients.seqs["a"] == [1])

    async def test_stream_is_forgotten_with_its_last_member(self, followed: Followed) -> None:
        topic = a_thread()
        await followed.streams.subscribe("a", topic, STAFF, None)
        await followed.streams.subscribe("b", topic, STAFF, None)
        followed.streams.unsubscribe("a", topic)
        followed.streams.leave("b")
        followed.streams.leave("a")
        assert not followed.streams._streams
        assert not followed.streams._threads
        assert not followed.streams._topics

    async def test_ticket_is_no_conversation(self, followed: Followed) -> None:
        topic = a_thread(ThreadKind.CONVERSATION)
        await followed.streams.subscribe("a", topic, STAFF, None)
        as_ticket = ThreadRef(kind=ThreadKind.TICKET, id=topic.id)
        assert not followed.streams.is_subscribed("a", as_ticket)
        followed.streams.relay(as_ticket, "typing", {}, besides="")
        followed.streams.unsubscribe("a", as_ticket)
        assert followed.streams.is_subscribed("a", topic)
        assert not followed.clients.seqs

    async def test_inbox_is_hinted_at_by_its_user(self, followed: Followed) -> None:
        mine, other = Inbox("ashik"), Inbox("bea")
        await followed.streams.subscribe("a", mine, STAFF, None)
        await followed.streams.subscribe("b", other, STAFF, None)
        followed.sources.logs[mine].size = followed.sources.logs[other].size = 2
        followed.watch.inbox_changed("ashik")
        followed.watch.inbox_changed("nobody")
        await followed.until(lambda: followed.clients.seqs["a"] == [1, 2])
        assert followed.sources.logs[other].reads == 0
        followed.watch.reset()
        await followed.until(lambda: followed.clients.seqs["b"] == [1, 2])

    async def test_event_spares_the_socket_it_came_from(self, clients: Clients) -> None:
        class Talking(PretendedLog):
            async def read(self, since: int, until: int | None = None) -> Page[int]:
                page = await super().read(since, until)
                return replace(page, events=[replace(each, besides="a") for each in page.events])

        log = Talking(3)
        stream = Stream(log, clients)
        for sid in "ab":
            await stream.join(sid, STAFF, 0)
        log.size = 6
        await stream.pump()
        assert dict(clients.seqs) == {"b": [1, 2, 3, 4, 5, 6]}

    async def test_relay_spares_who_said_it(self, followed: Followed) -> None:
        topic = a_thread()
        await followed.streams.subscribe("a", topic, STAFF, None)
        await followed.streams.subscribe("b", topic, CUSTOMER, None)
        followed.streams.relay(topic, "typing", {}, besides="a")
        assert followed.clients.seqs == {"b": [0]}

    @pytest.mark.parametrize("seed", range(30))
    async def test_any_interleaving(self, followed: Followed, seed: int) -> None:
        """Clients come, go and come back while three logs grow, and some hints are resets."""
        chance = random.Random(seed)
        topics = [a_thread() for _ in range(3)]
        for topic in topics:
            log = PretendedLog(chance.randrange(8), patience=lambda: chance.randrange(4))
            followed.sources.logs[topic] = log
        lives = [
            asyncio.create_task(self._live(followed, chance, f"client{number}", topics))
            for number in range(12)
        ]
        for _ in range(150):
            topic = chance.choice(topics)
            followed.sources.logs[topic].size += chance.randrange(4)
            if chance.random() < 0.1:
                followed.watch.reset()
            else:
                followed.watch.thread_changed(topic.id)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        followed.watch.reset()
        await asyncio.gather(*lives)

    async def _live(
        self, followed: Followed, chance: random.Random, name: str, topics: list[ThreadRef]
    ) -> None:
        """Ends when the client has everything, and fails if that is not exactly everything."""
        topic = chance.choice(topics)
        log = followed.sources.logs[topic]
        seen: list[int] = []
        for life in range(5):
            sid = f"{name}.{life}"
            await followed.streams.subscribe(sid, topic, STAFF, seen[-1] if seen else 0)
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
            if life == 4:
                await followed.until(partial(_complete, log, seen, followed.clients.seqs[sid]))
            followed.streams.leave(sid)
            seen += followed.clients.seqs[sid]
        assert seen == list(range(1, log.size + 1))


def _complete(log: PretendedLog, before: list[int], now: list[int]) -> bool:
    return len(before) + len(now) >= log.size
