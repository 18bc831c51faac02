import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import ClassVar

import psutil
import pytest

from holdfast.errors import ServerDidNotStart
from holdfast.processes import Command
from holdfast.programs import Program
from holdfast.supervisor import Supervisor, restart_delay
from tests.holdfast.programs import FOREVER, python


class Observed:
    """What a supervisor tells, and the process ids that it has told of."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.pids: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self.supervisor = Supervisor(self.lines.append, self._note)
        self._changes: asyncio.Queue[None] = asyncio.Queue()

    def _note(self, pids: object) -> None:
        assert isinstance(pids, dict)
        self.pids = dict(pids)
        self._changes.put_nowait(None)

    async def next_change(self) -> None:
        await asyncio.wait_for(self._changes.get(), 5)


@pytest.fixture
async def observed() -> AsyncIterator[Observed]:
    observed = Observed()
    yield observed
    await observed.supervisor.stop()


def forever(name: str) -> Program:
    return Program(python(FOREVER, name=name))


async def test_what_is_killed_comes_back(observed: Observed) -> None:
    await observed.supervisor.start(forever("one"))
    await observed.next_change()
    first = observed.pids["one"]
    os.kill(first, signal.SIGKILL)
    await observed.next_change()
    assert observed.pids["one"] != first
    assert psutil.pid_exists(observed.pids["one"])
    assert observed.lines == ["one was ended by SIGKILL; it is started again."]


async def test_stops_the_last_stage_first() -> None:
    stopped: list[str] = []

    class Noted(Program):
        async def stop(self) -> None:
            stopped.append(self.name)
            await super().stop()

    supervisor = Supervisor(lambda _: None)
    programs = [Noted(python(FOREVER, name=name)) for name in ("database", "engine", "api")]
    await supervisor.start(*programs[:2])
    await supervisor.start(programs[2])
    await supervisor.stop()
    assert stopped == ["api", "database", "engine"]


async def test_leaves_nothing_running_when_one_cannot_start(observed: Observed) -> None:
    good = forever("good")
    bad = Program(Command(name="bad", argv=["/no/such/program"]))
    with pytest.raises(ServerDidNotStart, match="bad"):
        await observed.supervisor.start(good, bad)
    await observed.supervisor.stop()
    assert good.pid is None


async def test_stop_ends_what_is_just_coming_back(observed: Observed) -> None:
    slow = asyncio.Event()
    program = Program(python(FOREVER, name="slow"))
    await observed.supervisor.start(program)
    assert program.pid is not None

    async def never() -> bool:
        slow.set()
        return False

    program._ready = never
    os.kill(program.pid, signal.SIGKILL)
    await slow.wait()
    second = program.pid
    await observed.supervisor.stop()
    assert second is not None
    assert not psutil.pid_exists(second)


def test_waits_longer_the_more_often_it_dies() -> None:
    delays = [restart_delay(deaths) for deaths in range(1, 12)]
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == 10


async def test_tries_again_when_it_does_not_come_back(observed: Observed) -> None:
    class Failing(Program):
        failures: ClassVar = [OSError("no space"), ServerDidNotStart("port taken")]

        async def start(self) -> None:
            if self.pid is not None and self.failures:
                raise self.failures.pop()
            await super().start()

    await observed.supervisor.start(Failing(python(FOREVER, name="one")))
    await observed.next_change()
    os.kill(observed.pids["one"], signal.SIGKILL)
    await observed.next_change()
    assert observed.lines[1:] == [
        "one did not come back: port taken",
        "one did not come back: no space",
    ]
    assert observed.supervisor.failed == []


async def test_remembers_who_ended_with_an_error(observed: Observed) -> None:
    await observed.supervisor.start(Program(python("raise SystemExit(3)", name="broken")))
    await observed.next_change()
    await observed.next_change()
    assert "broken" in observed.supervisor.failed
