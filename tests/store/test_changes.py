"""Windows over changed tickets: each change in one of them, whenever it was committed."""

import random
from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from store import changes, threads
from store.changes import Moment, Window
from store.database import Database
from store.tables import Thread
from tests.store.writing import open_ticket


async def now(database: Database) -> Moment:
    async with database.begin() as session:
        return await changes.moment_now(session)


async def between(database: Database, since: Moment, until: Moment, limit: int = 100) -> Window:
    async with database.begin() as session:
        return await changes.changed_between(session, since, until, limit)


async def touch(database: Database, *ticket_ids: UUID) -> None:
    async with database.begin() as session:
        for ticket_id in ticket_ids:
            await threads.touch(session, ticket_id)


def ids(window: Window) -> list[UUID]:
    return [row.ticket.id for row in window.rows]


class TestWindow:
    async def test_holds_what_changed_within(self, database: Database) -> None:
        first, second = await open_ticket(database), await open_ticket(database)
        since = await now(database)
        await touch(database, second)
        until = await now(database)
        await touch(database, first)
        assert ids(await between(database, since, until)) == [second]
        assert ids(await between(database, until, await now(database))) == [first]

    async def test_late_commit_is_in_a_later_window(self, database: Database) -> None:
        slow, quick = await open_ticket(database), await open_ticket(database)
        start = await now(database)
        async with database.begin() as session:
            await threads.touch(session, slow)
            await touch(database, quick)
            middle = await now(database)
            assert ids(await between(database, start, middle)) == [quick]
            assert middle.horizon < middle.end - 1
        end = await now(database)
        assert ids(await between(database, middle, end)) == [slow]
        # One who remembers the horizon alone gets the other one for a second time.
        assert set(ids(await between(database, Moment.after(middle.horizon), end))) == {slow, quick}

    async def test_comes_in_parts(self, database: Database) -> None:
        opened = [await open_ticket(database) for _ in range(7)]
        until, window = await now(database), Window([], Moment.after(0), more=True)
        found: list[UUID] = []
        while window.more:
            window = await between(database, window.until, until, limit=2)
            found += ids(window)
        assert found == opened
        assert window.until == until

    async def test_one_transaction_stays_together(self, database: Database) -> None:
        opened = [await open_ticket(database) for _ in range(5)]
        since = await now(database)
        await touch(database, *opened)
        window = await between(database, since, await now(database), limit=2)
        assert set(ids(window)) == set(opened)

    async def test_revisions_of_another_cluster_are_passed_over(self, database: Database) -> None:
        ticket_id = await open_ticket(database)
        since = await now(database)
        async with database.begin() as session:
            row = await session.get_one(Thread, ticket_id)
            row.revision = 2**60
        assert ids(await between(database, since, await now(database))) == []

    @pytest.mark.parametrize("seed", range(15))
    async def test_every_change_is_in_one_window(self, database: Database, seed: int) -> None:
        """Transactions begin, commit and give up in any order; windows are taken in between."""
        chance = random.Random(seed)
        tickets = [await open_ticket(database) for _ in range(6)]
        seen: Counter[tuple[UUID, int]] = Counter()
        position = Moment.after(0)
        unlocked = set(tickets)
        running: list[tuple[AsyncSession, UUID]] = []
        for _ in range(60):
            match chance.choice(["begin", "begin", "end", "look", "look"]):
                case "begin" if unlocked and len(running) < 4:
                    ticket_id = chance.choice(sorted(unlocked))
                    session = database._sessions()
                    await threads.touch(session, ticket_id)
                    unlocked.discard(ticket_id)
                    running.append((session, ticket_id))
                case "end" if running:
                    session, ticket_id = running.pop(chance.randrange(len(running)))
                    await (session.rollback() if chance.random() < 0.2 else session.commit())
                    await session.close()
                    unlocked.add(ticket_id)
                case "look":
                    limit = chance.choice([1, 2, 100])
                    window = await between(database, position, await now(database), limit)
                    position = window.until
                    seen.update((row.ticket.id, row.thread.revision) for row in window.rows)
        for session, _ in running:
            await session.commit()
            await session.close()
        window = Window([], position, more=True)
        while window.more:
            window = await between(database, window.until, await now(database), limit=2)
            seen.update((row.ticket.id, row.thread.revision) for row in window.rows)
        everything = await between(database, Moment.after(0), await now(database))
        assert set(seen.values()) == {1}
        assert {(row.ticket.id, row.thread.revision) for row in everything.rows} <= set(seen)
