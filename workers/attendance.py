"""The loop that tells conversations when somebody has gone."""

import asyncio

import structlog
from sqlalchemy import exc

from store import attendance
from store.attendance import Swept
from store.database import Database
from workflows.engine import Engine

log = structlog.get_logger(__name__)

PAUSE = 0.5
_BREATH = 0.05
"""Seconds between two turns while there are more who have gone."""
AT_ONCE = 20
"""People a turn, who are locked as long as it lasts. When a thousand customers are gone at once,
with the api process that they were connected to, those who command something come in between.
The time since when somebody is gone is told in any case."""


async def keep_attendance(database: Database, engine: Engine) -> None:
    """Until cancelled. Any number may run side by side; a nudge that is lost is made up for by
    the relay, and none is waited for."""
    async with engine.nudging():
        while True:
            more = False
            try:
                swept = await _sweep(database)
            except exc.SQLAlchemyError as error:
                log.warning("attendance_waits", reason=type(error).__name__)
            else:
                for thread in swept.told:
                    engine.nudge_soon(thread)
                more = swept.more
            await asyncio.sleep(_BREATH if more else PAUSE)


async def _sweep(database: Database) -> Swept:
    async with database.begin() as session:
        return await attendance.sweep(session, AT_ONCE)
