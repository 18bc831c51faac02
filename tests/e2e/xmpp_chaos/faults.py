"""One misfortune after the other, in an order that a seed decides."""

import asyncio
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.bridge.prosody import Prosody
from tests.bridge.wire import Wire
from tests.e2e.stack import Stack

_FREEZES = (2.0, 12.0)
"""Seconds. The bridge gives a silent connection up after ten."""
_AWAY = (0.0, 3.0)


class Standby:
    """A bridge beside the stack's own, which is started again whenever it has ended."""

    def __init__(self, stack: Stack, output: Path) -> None:
        self._stack = stack
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def beside(cls, stack: Stack, output: Path) -> Iterator["Standby"]:
        standby = cls(stack, output)
        standby.keep()
        try:
            yield standby
        finally:
            standby.kill()

    def keep(self) -> None:
        if self._process is None or self._process.poll() is not None:
            with self._output.open("ab") as output:
                self._process = self._stack.house.start("bridge", output=output.fileno())

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


class Faults:
    """`happened` counts them by kind."""

    def __init__(
        self, seed: int, stack: Stack, standby: Standby, prosody: Prosody, wire: Wire
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._stack = stack
        self._standby = standby
        self._prosody = prosody
        self._wire = wire
        self._restarting = asyncio.Lock()
        self._kinds: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "bridge killed": self._kill_a_bridge,
            "XMPP server restarted": self._restart_prosody,
            "connection cut": self._cut,
            "connection frozen": self._freeze,
            "Temporal killed": lambda: self._kill("temporal"),
            "PostgreSQL killed": lambda: self._kill("postgres"),
        }

    async def go_on(self, seconds: float, every: float) -> None:
        """Return when all is thawed and started again."""
        async with asyncio.TaskGroup() as group:
            for kind in self._order(round(seconds / every)):
                await asyncio.sleep(every * self._random.uniform(0.5, 1.5))
                self._standby.keep()
                group.create_task(self._kinds[kind]())
                self.happened[kind] += 1
        self._standby.keep()

    def _order(self, count: int) -> list[str]:
        """Each kind before any comes again."""
        order: list[str] = []
        while len(order) < count:
            order += self._random.sample([*self._kinds], len(self._kinds))
        return order[:count]

    async def _kill_a_bridge(self) -> None:
        if self._random.random() < 0.5:
            await self._kill("bridge")
        else:
            self._standby.kill()
            self._standby.keep()

    async def _kill(self, name: str) -> None:
        # Between a death and the note of its successor there is nobody to kill.
        if process := self._stack.servers[name].process():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    async def _restart_prosody(self) -> None:
        # In good order: what a server loses that is killed between two archives, nobody can know.
        away = self._random.uniform(*_AWAY)
        async with self._restarting:
            await self._prosody.stop()
            await asyncio.sleep(away)
            await self._prosody.start()

    async def _cut(self) -> None:
        self._wire.cut()

    async def _freeze(self) -> None:
        self._wire.freeze()
        await asyncio.sleep(self._random.uniform(*_FREEZES))
        self._wire.thaw()
