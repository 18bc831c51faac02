"""Keeps programs running: in order up, back again after a crash, in reverse order down."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from holdfast.processes import how_it_ended

_LONGEST_DELAY = 10.0
_HEALTHY_AFTER = 10.0
"""Seconds of life after which a death counts as the first one again."""


class Service(Protocol):
    """What can be kept running. See `Program`."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    async def start(self) -> None: ...

    async def wait(self) -> int: ...

    async def stop(self) -> None: ...


class Supervisor:
    """Starts services stage by stage and starts again what dies.

    `tell` gets a line for people; `on_change` the process ids by name, whenever one is new.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        on_change: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._on_change = on_change
        self.failed: list[str] = []
        """Who ended by itself with an error so far; whom a signal ended is not among them."""
        self._stages: list[tuple[Service, ...]] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, *services: Service) -> None:
        """Start one stage, all of it at the same time; return when all of it is ready.

        Raises the first failure. Call `stop` then, as always.
        """
        self._stages.append(services)
        try:
            async with asyncio.TaskGroup() as group:
                for service in services:
                    group.create_task(self._start(service))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        self._keepers += [asyncio.create_task(self._keep(service)) for service in services]

    async def stop(self) -> None:
        """End everything, the stage that came last first. Returns when no process is left."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for stage in reversed(self._stages):
            await asyncio.gather(*(service.stop() for service in stage))
        self._keepers.clear()
        self._stages.clear()

    async def _start(self, service: Service) -> None:
        await service.start()
        self._on_change(
            {each.name: each.pid for stage in self._stages for each in stage if each.pid}
        )

    async def _keep(self, service: Service) -> None:
        deaths = 0
        while True:
            started = time.monotonic()
            code = await service.wait()
            if code > 0:
                self.failed.append(service.name)
            deaths = 1 if time.monotonic() - started > _HEALTHY_AFTER else deaths + 1
            self._tell(f"{service.name} {how_it_ended(code)}; it is started again.")
            await asyncio.sleep(restart_delay(deaths))
            while not await self._restarted(service):
                deaths += 1
                await asyncio.sleep(restart_delay(deaths))

    async def _restarted(self, service: Service) -> bool:
        try:
            await self._start(service)
        except Exception as error:  # noqa: BLE001  whatever it is, giving up would be worse
            self._tell(f"{service.name} did not come back: {error}")
            return False
        return True


def restart_delay(deaths: int) -> float:
    """Seconds to wait after so many deaths in a row: none after the first, then doubling."""
    return 0.0 if deaths <= 1 else min(0.1 * 2.0 ** min(deaths, 16), _LONGEST_DELAY)
