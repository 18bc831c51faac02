"""Presence: what the database is told of people's sockets, and that it is told in the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api import presence as module
from api.presence import Presence
from domain.models import EventType, Side, ThreadRef
from domain.principals import Principal, Role
from store import attendance, presences
from store.attendance import Person
from store.database import Database
from store.tables import Presence as Row
from tests.store.chatting import events_of, new_customer, start

AGENT = Person(Side.AGENT, "ashik")


class Unreliable(Database):
    """A database that can be away."""

    away = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        if self.away:
            raise ConnectionError
        async with super().begin() as session:
            yield session


@pytest.fixture
async def unreliable(database_url: str) -> AsyncIterator[Unreliable]:
    opened = Unreliable(database_url)
    yield opened
    await opened.close()


class Place:
    """A presence that runs, and what it has nudged."""

    def __init__(self, database: Database) -> None:
        self.nudged: list[ThreadRef] = []
        self.presence = Presence(database, self.nudged.append)

    async def rows(self, database: Database) -> dict[str, datetime | None]:
        async with database.begin() as session:
            of_ours = Row.process_id == self.presence.process_id
            rows = (await session.scalars(select(Row).where(of_ours))).all()
        return {row.person: row.gone_at for row in rows}


@pytest.fixture
async def place(unreliable: Unreliable, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(module, "_RETRY_AFTER", 0.02)
    monkeypatch.setattr(attendance, "BEAT", timedelta(seconds=0.1))
    opened = Place(unreliable)
    async with opened.presence.running():
        yield opened


async def until_noted(place: Place) -> None:
    await until(lambda: place.presence._known.is_set() and not place.presence._news)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.01)


async def is_here(database: Database, person: Person) -> bool:
    async with database.begin() as session:
        return await presences.is_here(session, person)


class TestComingAndGoing:
    async def test_is_noted(self, place: Place, database: Database) -> None:
        place.presence.arrived(AGENT)
        await until_noted(place)
        assert await place.rows(database) == {"agent/ashik": None}
        place.presence.left(AGENT)
        await until_noted(place)
        gone_at = (await place.rows(database))["agent/ashik"]
        assert gone_at is not None

    async def test_second_tab_changes_nothing(self, place: Place, database: Database) -> None:
        place.presence.arrived(AGENT)
        place.presence.arrived(AGENT)
        place.presence.left(AGENT)
        await until_noted(place)
        assert await is_here(database, AGENT)
        place.presence.left(AGENT)
        await until_noted(place)
        assert not await is_here(database, AGENT)
        assert not place.presence._sockets

    async def test_reload_within_a_moment_is_no_going(
        self, place: Place, database: Database
    ) -> None:
        place.presence.arrived(AGENT)
        await until_noted(place)
        place.presence.left(AGENT)
        place.presence.arrived(AGENT)
        await until_noted(place)
        assert await place.rows(database) == {"agent/ashik": None}

    async def test_tells_the_log_and_nudges(self, place: Place, database: Database) -> None:
        customer_id = await new_customer(database)
        conversation_id = (await start(database, customer_id)).conversation_id
        place.presence.arrived(Person(Side.CUSTOMER, str(customer_id)))
        await until_noted(place)
        assert await events_of(database, conversation_id) == [EventType.QUEUED, EventType.ARRIVED]
        assert [thread.id for thread in place.nudged] == [conversation_id]

    async def test_crowd_comes_in_batches(
        self, place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_BATCH", 7)
        for number in range(50):
            place.presence.arrived(Person(Side.AGENT, f"agent-{number}"))
        await until_noted(place)
        assert len(await place.rows(database)) == 50


class TestOutage:
    async def test_everything_is_made_up_for_with_its_true_time(
        self, place: Place, unreliable: Unreliable, database: Database
    ) -> None:
        others = Person(Side.AGENT, "bea")
        place.presence.arrived(AGENT)
        await until_noted(place)
        unreliable.away = True
        left_at = datetime.now(UTC)
        place.presence.left(AGENT)
        place.presence.arrived(others)
        await asyncio.sleep(0.3)
        assert await is_here(database, AGENT)
        unreliable.away = False
        await until_noted(place)
        rows = await place.rows(database)
        gone_at = rows["agent/ashik"]
        assert gone_at is not None
        assert abs(gone_at - left_at) < timedelta(seconds=0.1)
        assert rows["agent/bea"] is None

    async def test_what_waits_is_one_fact_for_each_person(
        self, place: Place, unreliable: Unreliable
    ) -> None:
        await until_noted(place)
        unreliable.away = True
        for _ in range(1_000):
            place.presence.arrived(AGENT)
            place.presence.left(AGENT)
        assert len(place.presence._news) == 1

    async def test_process_thought_dead_notes_everybody_again(
        self, place: Place, database: Database
    ) -> None:
        place.presence.arrived(AGENT)
        await until_noted(place)
        async with database.begin() as session:
            await session.execute(text("DELETE FROM api_processes"))
        async with asyncio.timeout(20):
            while not await is_here(database, AGENT):
                await asyncio.sleep(0.01)


class TestEnd:
    async def test_orderly_end_takes_everybody_along(
        self, unreliable: Unreliable, database: Database
    ) -> None:
        place = Place(unreliable)
        async with place.presence.running():
            place.presence.arrived(AGENT)
            await until_noted(place)
        assert not await is_here(database, AGENT)

    async def test_end_without_a_database_is_an_end(self, unreliable: Unreliable) -> None:
        place = Place(unreliable)
        async with place.presence.running():
            place.presence.arrived(AGENT)
            unreliable.away = True


class TestPersonOf:
    async def test_by_token(self, place: Place, database: Database) -> None:
        person_of = place.presence.person_of
        assert await person_of(Principal(Role.ADMIN, "boss")) == Person(Side.AGENT, "boss")
        assert await person_of(Principal(Role.SERVICE, str(uuid4()))) is None
        assert await person_of(Principal(Role.CUSTOMER, "nobody-yet")) is None
        customer_id = await new_customer(database)
        of_visitor = Principal(Role.VISITOR, f"cust_{customer_id.hex}")
        assert await person_of(of_visitor) == Person(Side.CUSTOMER, str(customer_id))
