"""Whether the parts that calls need can do their work."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from store import heartbeats
from store.database import Database
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_CHECK_TIMEOUT = 2.0
_SHARED_FOR = 1.0
"""Seconds that one result is told to everybody, so that asking is no way to load the database."""


@dataclass(frozen=True, slots=True)
class Parts:
    database: bool
    engine: bool
    worker: bool

    @property
    def ready(self) -> bool:
        return self.database and self.engine and self.worker


class Probe:
    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._lock = asyncio.Lock()
        self._parts = Parts(database=False, engine=False, worker=False)
        self._good_until = float("-inf")

    async def parts(self) -> Parts:
        """Check all parts side by side, within two seconds. Never raises."""
        async with self._lock:
            if time.monotonic() >= self._good_until:
                self._parts = Parts(
                    *await asyncio.gather(
                        _works("database", self._database.check),
                        _works("engine", self._engine.check),
                        _works("worker", self._worker_alive),
                    )
                )
                self._good_until = time.monotonic() + _SHARED_FOR
            return self._parts

    async def _worker_alive(self) -> bool:
        """Temporal remembers for minutes who has asked for work: only the worker itself can say
        that it lives."""
        async with self._database.begin() as session:
            alive = await heartbeats.alive(session, heartbeats.WORKER)
        return alive and await self._engine.worker_alive()


async def _works(part: str, check: Callable[[], Awaitable[bool | None]]) -> bool:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            return await check() is not False
    except Exception as error:  # noqa: BLE001  whatever it is, the part does not work
        log.warning("not_ready", part=part, error=repr(error))
        return False
