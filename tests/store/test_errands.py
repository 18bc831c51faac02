"""Errands on a real PostgreSQL; how they are done: tests/workflows/test_errand.py."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.errands import Errand, ErrandKind
from store import errands
from store.database import Database
from store.errands import Claim


@pytest.fixture
async def errand(database: Database) -> Errand:
    subject = uuid4()
    await add(database, subject)
    return Errand(kind=ErrandKind.FETCH, id=subject)


async def add(database: Database, subject: UUID) -> None:
    async with database.begin() as session:
        await errands.add(session, ErrandKind.FETCH, subject)


async def claim(database: Database) -> Claim:
    async with database.begin() as session:
        return await errands.overdue(session, 10)


async def pass_time(database: Database, span: timedelta) -> None:
    async with database.begin() as session:
        await session.execute(text("UPDATE errands SET due_at = due_at - :span"), {"span": span})


async def test_is_claimed_once(database: Database, errand: Errand) -> None:
    assert (await claim(database)).errands == [errand]
    assert (await claim(database)).errands == []


async def test_one_that_was_claimed_by_somebody_who_died_is_due_again_soon(
    database: Database, errand: Errand
) -> None:
    await claim(database)
    await pass_time(database, timedelta(seconds=20))
    assert (await claim(database)).errands == [errand]


async def test_one_that_was_started_is_left_alone_for_long(
    database: Database, errand: Errand
) -> None:
    claimed = await claim(database)
    async with database.begin() as session:
        await errands.started(session, claimed)
    await pass_time(database, timedelta(minutes=9))
    assert (await claim(database)).errands == []
    await pass_time(database, timedelta(minutes=2))
    assert (await claim(database)).errands == [errand]


async def test_one_that_has_become_necessary_anew_does_not_wait(
    database: Database, errand: Errand
) -> None:
    claimed = await claim(database)
    async with database.begin() as session:
        await errands.end(session, errand.kind, errand.id)
    await add(database, errand.id)
    async with database.begin() as session:
        await errands.started(session, claimed)
    assert (await claim(database)).errands == [errand]


async def test_two_that_wait_for_the_same_are_one(database: Database, errand: Errand) -> None:
    await add(database, errand.id)
    assert (await claim(database)).errands == [errand]
