"""The loop that makes lost nudges, lost workflows and a lost Temporal cluster harmless."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from sqlalchemy import exc

from domain.errands import Errand
from domain.errors import HoldfastError
from domain.models import ThreadRef
from store import deliveries, engine_state, errands, threads
from store.database import Database
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_PAUSE = 1.0
"""Seconds between two looks for threads that are behind."""
_BATCH = 200
_AT_ONCE = 32
_PAGE = 100
"""Workflows asked for in one query to Temporal."""
_INSPECTION = 600.0
"""Seconds between two comparisons of all open threads with all running workflows."""


class Relay:
    """Any number may run side by side: each claims what it nudges."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._inspect_at = 0.0
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Until cancelled: nudge what is behind, and now and then look for what is missing."""
        # Side by side: to restore many workflows takes minutes, in which others are behind.
        async with asyncio.TaskGroup() as loops:
            loops.create_task(_again_and_again(self._nudge_overdue))
            loops.create_task(_again_and_again(self._restore_workflows))
            loops.create_task(_again_and_again(self._start_errands))

    async def _nudge_overdue(self) -> None:
        full = True
        while full:
            # Claiming a thread puts its next turn off, so ask first whether nudging is possible.
            await self._engine.check()
            async with self._database.begin() as session:
                behind = await threads.overdue(session, _BATCH)
                behind += await deliveries.overdue(session, _BATCH)
            if behind:
                log.info("relay_nudges", threads=len(behind))
            await self._nudge_all(behind)
            full = len(behind) >= _BATCH

    async def _start_errands(self) -> None:
        full = True
        while full:
            await self._engine.check()
            async with self._database.begin() as session:
                claim = await errands.overdue(session, _BATCH)
            if claim.errands:
                await asyncio.gather(*(self._start_errand(each) for each in claim.errands))
                async with self._database.begin() as session:
                    await errands.started(session, claim)
            full = len(claim.errands) >= _BATCH

    async def _restore_workflows(self) -> None:
        """Give every open thread whose workflow is gone a new one.

        At the start, when Temporal's namespace is another than it was, and every _INSPECTION.
        """
        namespace_id = await self._engine.namespace_id()
        async with self._database.begin() as session:
            known = await engine_state.namespace_id(session)
        now = asyncio.get_running_loop().time()
        if known == namespace_id and now < self._inspect_at:
            return
        after: UUID | None = None
        restored = 0
        while page := await self._open_threads(after):
            running = await self._engine.running(page)
            missing = [thread for thread in page if thread.id not in running]
            await self._nudge_all(missing)
            restored += len(missing)
            after = page[-1].id
        if restored:
            log.info("relay_restored_workflows", threads=restored)
        async with self._database.begin() as session:
            await engine_state.remember_namespace(session, namespace_id)
        self._inspect_at = now + _INSPECTION

    async def _open_threads(self, after: UUID | None) -> list[ThreadRef]:
        async with self._database.begin() as session:
            return await threads.open_after(session, after, _PAGE)

    async def _nudge_all(self, behind: list[ThreadRef]) -> None:
        await asyncio.gather(*(self._nudge(thread) for thread in behind))

    async def _nudge(self, thread: ThreadRef) -> None:
        async with self._at_once:
            await self._engine.nudge(thread)

    async def _start_errand(self, errand: Errand) -> None:
        async with self._at_once:
            await self._engine.start_errand(errand)


async def _again_and_again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except (HoldfastError, exc.SQLAlchemyError) as error:
            log.warning("relay_waits", reason=type(error).__name__)
        await asyncio.sleep(_PAUSE)
