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
_AT_ONCE = 20
"""People a turn. When a thousand customers are gone at once, with the api process that they were
connected to, their workflows have all the time to hear of it; those who command something have
not. The time since when somebody is gone is told in any case."""


async def keep_attendance(database: Database, engine: Engine) -> None:
    """Until cancelled. Any number may run side by side; a nudge that is lost is made up for by
    the relay."""
    while True:
        try:
            told = await _sweep(database)
            await asyncio.gather(*(engine.nudge(thread) for thread in told), return_exceptions=True)
        except exc.SQLAlchemyError as error:
            log.warning("attendance_waits", reason=type(error).__name__)
        await asyncio.sleep(_PAUSE)


async def _sweep(database: Database) -> list[ThreadRef]:
    async with database.begin() as session:
        return await attendance.sweep(session, _AT_ONCE)
