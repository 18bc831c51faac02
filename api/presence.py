"""Who is at this api process: sockets are counted for each person, and comings and goings noted.

    async with presence.running():
        presence.arrived(person)   # one more socket of theirs
        presence.left(person)      # one less

Neither call waits for the database. What is not noted yet is one fact for each person, here or
gone since when; it is written in batches, and kept until it is. So a database that is away costs
a delay and nothing else: the times are those at which it happened.

A process that does not beat for a while counts as dead, and everybody at it as gone. Should it
not be dead after all, the next beat says so, and everybody is noted once more.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from uuid import uuid4

import structlog

from api.ownership import own_customer
from domain.models import Side, ThreadRef
from domain.principals import Principal
from store import attendance
from store.attendance import Person
from store.database import Database

log = structlog.get_logger(__name__)

_GATHER = 0.05
"""Seconds in which changes come together for one transaction."""
_BATCH = 200
"""People in one transaction: those whom it concerns are locked as long as it lasts."""
_RETRY_AFTER = 0.5
_TIME_TO_LEAVE = 3.0


class Presence:
    """`nudge` is told which conversations have learned that somebody is back."""

    def __init__(self, database: Database, nudge: Callable[[ThreadRef], None]) -> None:
        self.process_id = uuid4()
        self._database = database
        self._nudge = nudge
        self._sockets: Counter[Person] = Counter()
        self._news: dict[Person, datetime | None] = {}
        """Not noted yet: None for somebody who is here."""
        self._has_news = asyncio.Event()
        self._known = asyncio.Event()
        """The database knows of this process."""

    async def person_of(self, principal: Principal) -> Person | None:
        """Whose being here matters; nobody's for back ends, nor for customers unknown as yet."""
        if principal.is_staff:
            return Person(Side.AGENT, principal.id)
        if not principal.is_customer:
            return None
        async with self._database.reading() as session:
            own = await own_customer(session, principal)
        return Person(Side.CUSTOMER, str(own.id)) if own is not None else None

    def arrived(self, person: Person) -> None:
        self._sockets[person] += 1
        if self._sockets[person] == 1:
            self._note(person, None)

    def left(self, person: Person) -> None:
        self._sockets[person] -= 1
        if self._sockets[person] <= 0:
            del self._sockets[person]
            self._note(person, datetime.now(UTC))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(self._beat_on(), name="presence beat"),
            asyncio.create_task(self._write_on(), name="presence"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()

    def _note(self, person: Person, gone_at: datetime | None) -> None:
        self._news[person] = gone_at
        self._has_news.set()

    async def _beat_on(self) -> None:
        while True:
            try:
                async with self._database.begin() as session:
                    known = await attendance.beat(session, self.process_id)
            except Exception as error:  # noqa: BLE001  others count us as dead, and hear otherwise
                log.warning("presence_not_beaten", reason=type(error).__name__)
            else:
                if not known:
                    self._note_everybody()
                self._known.set()
            await asyncio.sleep(attendance.BEAT.total_seconds())

    def _note_everybody(self) -> None:
        for person in self._sockets:
            self._note(person, None)

    async def _write_on(self) -> None:
        await self._known.wait()
        while True:
            await self._has_news.wait()
            await asyncio.sleep(_GATHER)
            self._has_news.clear()
            try:
                await self._write()
            except Exception as error:  # noqa: BLE001  it is tried again
                log.warning("presence_not_noted", reason=type(error).__name__)
                self._has_news.set()
                await asyncio.sleep(_RETRY_AFTER)

    async def _write(self) -> None:
        while self._news:
            batch = dict(islice(self._news.items(), _BATCH))
            async with self._database.begin() as session:
                told = await attendance.note(session, self.process_id, batch)
            for person, gone_at in batch.items():
                # Whoever came or went meanwhile has other news.
                if self._news[person] == gone_at:
                    del self._news[person]
            for thread in told:
                self._nudge(thread)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(_TIME_TO_LEAVE), self._database.begin() as session:
                await attendance.leave(session, self.process_id)
        except Exception as error:  # noqa: BLE001  the others notice that there are no more beats
            log.warning("presence_not_left", reason=type(error).__name__)
