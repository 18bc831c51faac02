"""The queue's board without sockets: few snapshots, and always the last one."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import structlog

from api import queue_board
from api.queue_board import PAUSE, QueueBoard, Snapshot

ROUNDING = 0.002
"""Of the event loop's clock, in seconds."""


class Queue:
    """One that only ever has `waiting` in it. Reading takes a while."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.seconds = 0
        self.reads = 0
        self.broken = False

    async def read(self) -> Snapshot:
        self.reads += 1
        self.seconds += 1
        entries = [{"conversationId": name, "waitSeconds": self.seconds} for name in self.waiting]
        await asyncio.sleep(0)
        if self.broken:
            raise ConnectionError
        return Snapshot(entries)


class Clients:
    """What each was shown, and when."""

    def __init__(self) -> None:
        self.shown: defaultdict[str, list[list[str]]] = defaultdict(list)
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def send(self, event: str, payload: Sequence[dict[str, Any]], to: Iterable[str]) -> None:
        assert event == "queue:snapshot"
        for sid in to:
            self.shown[sid].append([entry["conversationId"] for entry in payload])
            self.times[sid].append(asyncio.get_running_loop().time())


class Desk:
    def __init__(self) -> None:
        self.queue = Queue()
        self.clients = Clients()
        self.board = QueueBoard(self.queue.read, self.clients)

    def change(self, *waiting: str) -> None:
        self.queue.waiting = list(waiting)
        self.board.changed()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():
                await asyncio.sleep(0.005)

    async def until_shown(self, sid: str, *waiting: str) -> None:
        await self.until(lambda: self.clients.shown[sid][-1:] == [list(waiting)])

    async def rest(self) -> None:
        """Long enough for two more snapshots."""
        await asyncio.sleep(3 * PAUSE)


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(queue_board, "_RETRY_AFTER", 0.01)
    desk = Desk()
    running = asyncio.create_task(desk.board.run())
    yield desk
    running.cancel()


class TestJoin:
    async def test_is_shown_the_queue_at_once(self, desk: Desk) -> None:
        desk.queue.waiting = ["a", "b"]
        await desk.board.join("s")
        assert desk.clients.shown["s"] == [["a", "b"]]

    async def test_empty_queue_is_shown_too(self, desk: Desk) -> None:
        await desk.board.join("s")
        assert desk.clients.shown["s"] == [[]]

    async def test_twice_doubles_nothing(self, desk: Desk) -> None:
        await desk.board.join("s")
        await desk.board.join("s")
        desk.change("a")
        await desk.until_shown("s", "a")
        assert desk.clients.shown["s"] == [[], ["a"]]

    async def test_many_at_once_share_readings(self, desk: Desk) -> None:
        await asyncio.gather(*(desk.board.join(f"s{number}") for number in range(100)))
        assert desk.queue.reads <= 2
        assert len(desk.clients.shown) == 100

    async def test_what_a_newcomer_sees_the_others_see(self, desk: Desk) -> None:
        """Though nobody has said that anything changed."""
        await desk.board.join("s")
        desk.queue.waiting = ["a"]
        await desk.board.join("t")
        await desk.until_shown("s", "a")

    async def test_unreadable_queue_lets_nobody_in(self, desk: Desk) -> None:
        desk.queue.broken = True
        with pytest.raises(ConnectionError):
            await desk.board.join("s")
        desk.queue.broken = False
        desk.change("a")
        await desk.rest()
        assert not desk.clients.shown


class TestChanges:
    async def test_no_change_no_snapshot(self, desk: Desk) -> None:
        desk.queue.waiting = ["a"]
        await desk.board.join("s")
        for _ in range(3):
            desk.board.changed()
            await asyncio.sleep(PAUSE)
        assert desk.clients.shown["s"] == [["a"]]
        assert desk.queue.reads > 1

    async def test_nobody_there_nothing_read(self, desk: Desk) -> None:
        desk.change("a")
        await desk.rest()
        assert desk.queue.reads == 0

    async def test_who_left_is_shown_nothing(self, desk: Desk) -> None:
        await desk.board.join("s")
        await desk.board.join("t")
        assert desk.board.leave("s")
        assert not desk.board.leave("s")
        desk.change("a")
        await desk.until_shown("t", "a")
        assert desk.clients.shown["s"] == [[]]

    async def test_failed_reading_is_made_up_for(self, desk: Desk) -> None:
        await desk.board.join("s")
        desk.queue.broken = True
        desk.change("a")
        await desk.until(lambda: desk.queue.reads > 2)
        desk.queue.broken = False
        await desk.until_shown("s", "a")

    async def test_however_busy_four_a_second_and_the_last_always(self, desk: Desk) -> None:
        """300 changes, 200 a second."""
        await desk.board.join("s")
        for number in range(300):
            desk.change(str(number))
            await asyncio.sleep(1 / 200)
        await desk.until_shown("s", "299")
        await desk.rest()
        assert desk.clients.shown["s"][-1] == ["299"]
        times = desk.clients.times["s"]
        gaps = [after - before for before, after in pairwise(times)]
        assert min(gaps) >= PAUSE - ROUNDING
        assert len(times) <= (times[-1] - times[0]) / PAUSE + 1 + ROUNDING

    async def test_says_how_many_are_shown_to_how_many(self, desk: Desk) -> None:
        desk.queue.waiting = ["a", "b"]
        with structlog.testing.capture_logs() as logs:
            await desk.board.join("s")
        assert logs == [
            {"event": "queue_snapshot", "log_level": "debug", "entries": 2, "sockets": 1}
        ]

    @pytest.mark.parametrize("seed", range(10))
    async def test_any_interleaving(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, seed: int
    ) -> None:
        monkeypatch.setattr(queue_board, "PAUSE", 0.002)
        chance = random.Random(seed)
        here: set[str] = set()
        for number in range(200):
            desk.change(str(number))
            sid = f"s{chance.randrange(8)}"
            if sid in here and chance.random() < 0.5:
                desk.board.leave(sid)
                here.discard(sid)
            elif sid not in here:
                await desk.board.join(sid)
                here.add(sid)
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.003]))
        for sid in here:
            await desk.until_shown(sid, "199")
