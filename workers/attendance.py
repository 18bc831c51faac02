"""The loop that tells conversations when somebody has gone."""

import asyncio

import structlog
from sqlalchemy import exc

from domain.models import ThreadRef
from store import attendance
from store.database import Database
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_PAUSE = 0.5


async def keep_attendance(database: Database, engine: Engine) -> None:
    """Until cancelled. Any number may run side by side; a nudge that is lost is made up for by
    the relay."""
    while True:
        try:
            more = True
            while more:
                told, more = await _sweep(database)
                await asyncio.gather(
                    *(engine.nudge(thread) for thread in told), return_exceptions=True
                )
        except exc.SQLAlchemyError as error:
            log.warning("attendance_waits", reason=type(error).__name__)
        await asyncio.sleep(_PAUSE)


async def _sweep(database: Database) -> tuple[list[ThreadRef], bool]:
    async with database.begin() as session:
        return await attendance.sweep(session)
