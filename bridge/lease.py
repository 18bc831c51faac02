"""One bridge of an account works, the others stand by.

The lease is kept in the database. It is no fence by itself: a bridge that was frozen may believe
in a lease that has run out. The fence is the server's: both log in with one resource, and the later
login ends the earlier one's stream.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy import exc

from store import leases
from store.database import Database

log = structlog.get_logger(__name__)

_LASTS = timedelta(seconds=4)
_RENEWED_EVERY = 1.0
_LOOK_AGAIN = 0.5


class Lease:
    """The right to work for one account, for whoever holds it."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._name = f"xmpp/{account}"
        self._holder: UUID = uuid4()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[asyncio.Event]:
        """Wait until it is ours, and keep it as long as the block lasts.

        Yields an event that is set when it is lost: then the block has to end.
        """
        while not await self._hold():
            await asyncio.sleep(_LOOK_AGAIN)
        log.info("bridge_leads", lease=self._name)
        lost = asyncio.Event()
        renewing = asyncio.create_task(self._renew(lost))
        try:
            yield lost
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._release()

    async def _renew(self, lost: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + _LASTS.total_seconds()
        while clock() < until:
            await asyncio.sleep(_RENEWED_EVERY)
            asked_at = clock()
            if await self._hold():
                until = asked_at + _LASTS.total_seconds()
        log.warning("bridge_lost_its_lease", lease=self._name)
        lost.set()

    async def _hold(self) -> bool:
        """False when another has it, and when nobody can tell."""
        try:
            async with asyncio.timeout(_LASTS.total_seconds()), self._database.begin() as session:
                return await leases.hold(session, self._name, self._holder, _LASTS)
        except (TimeoutError, exc.SQLAlchemyError):
            return False

    async def _release(self) -> None:
        with suppress(TimeoutError, exc.SQLAlchemyError):
            async with asyncio.timeout(_LASTS.total_seconds()), self._database.begin() as session:
                await leases.release(session, self._name, self._holder)
