"""What a bridge does about its stream and its database, without a server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, NoReturn, cast

import pytest
from sqlalchemy import exc

from bridge.bridge import Bridge, Opens
from bridge.errors import StreamLost
from bridge.stanzas import Incoming, Received
from tests.bridge.waiting import until


class FakeStream:
    """Brings `stanzas`, and is lost by then."""

    shortcomings: ClassVar[list[str]] = []

    def __init__(self, *stanzas: Incoming, has_archive: bool = False) -> None:
        self.has_archive = has_archive
        self.lost: asyncio.Future[StreamLost] = asyncio.get_running_loop().create_future()
        self._stanzas = stanzas

    async def incoming(self) -> AsyncIterator[Incoming]:
        self.lost.set_result(StreamLost())
        # Whoever waits beside it gets a turn.
        await asyncio.sleep(0)
        for each in self._stanzas:
            yield each

    def show_presence(self) -> None:
        pass

    def raise_why_it_ended(self) -> NoReturn:
        raise self.lost.result()


class Parts:
    """Stands for listener, reader and outlet. Notes what it hears, and fails so often before."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.heard: list[Incoming] = []

    async def hear(self, _stream: object, stanza: Incoming) -> bool:
        if self.failures:
            self.failures -= 1
            raise exc.OperationalError("", {}, Exception())
        self.heard.append(stanza)
        return True

    def connected(self, stream: object) -> None:
        pass

    def disconnected(self) -> None:
        pass


@asynccontextmanager
async def running(parts: Parts, opens: Callable[[], FakeStream]) -> AsyncIterator[Bridge]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[FakeStream]:
        yield opens()

    stand_in: Any = parts
    bridge = Bridge(cast("Opens", opened), stand_in, stand_in, stand_in)
    task = asyncio.create_task(bridge.run())
    try:
        yield bridge
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        assert task.cancelled()


def numbered(number: int) -> Received:
    return Received("alice@example.com", str(number))


async def test_ends_when_it_is_told_to_while_a_stream_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease may be lost in this moment too."""
    ending = asyncio.Event()

    async def look(*_: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ending.set()
            await asyncio.sleep(0.1)

    monkeypatch.setattr(Bridge, "_look_now_and_then", look)
    async with running(Parts(), FakeStream):
        await ending.wait()


async def test_without_an_archive_all_waits_for_the_database() -> None:
    """What was taken from the server is nowhere else."""
    parts, stanzas = Parts(failures=3), [numbered(each) for each in range(5)]
    streams = iter([FakeStream(*stanzas)])
    async with running(parts, lambda: next(streams, FakeStream())):
        await until(lambda: parts.heard == stanzas)
    assert not parts.failures


async def test_stream_that_brings_nothing_is_opened_ever_more_slowly() -> None:
    async with running(Parts(), FakeStream) as bridge:
        await until(lambda: bridge._failures == 3)


async def test_stream_that_has_brought_something_is_opened_again_at_once() -> None:
    parts = Parts()
    async with running(parts, lambda: FakeStream(numbered(1))) as bridge:
        await until(lambda: len(parts.heard) == 4)
        assert bridge._failures <= 1
