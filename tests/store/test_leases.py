"""Leases on a real PostgreSQL."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

from store import leases
from store.database import Database

LONG = timedelta(hours=1)
OVER = timedelta(0)


async def hold(
    database: Database, holder: UUID, lasts: timedelta = LONG, name: str = "account"
) -> bool:
    async with database.begin() as session:
        return await leases.hold(session, name, holder, lasts)


async def test_of_many_who_want_it_one_gets_it(database: Database) -> None:
    got = await asyncio.gather(*(hold(database, uuid4()) for _ in range(5)))
    assert sorted(got) == [False] * 4 + [True]


async def test_holder_may_renew_it(database: Database) -> None:
    holder = uuid4()
    assert await hold(database, holder)
    assert await hold(database, holder)


async def test_one_that_has_run_out_goes_to_the_next(database: Database) -> None:
    first, second = uuid4(), uuid4()
    await hold(database, first, OVER)
    assert await hold(database, second)
    assert not await hold(database, first)


async def test_released_one_is_free_at_once(database: Database) -> None:
    first, second = uuid4(), uuid4()
    await hold(database, first)
    async with database.begin() as session:
        await leases.release(session, "account", first)
    assert await hold(database, second)


async def test_nobody_releases_anothers(database: Database) -> None:
    first, second = uuid4(), uuid4()
    await hold(database, first)
    async with database.begin() as session:
        await leases.release(session, "account", second)
    assert not await hold(database, second)


async def test_each_account_has_its_own(database: Database) -> None:
    assert await hold(database, uuid4(), name="one")
    assert await hold(database, uuid4(), name="two")
