"""append and advance, one at a time."""

from uuid import UUID

import pytest

from domain.ids import new_id
from domain.models import AuthorKind, ThreadKind
from store import reading, threads
from store.database import Database
from store.threads import Advanced, Appended, Draft


def customer_says(text: str, external_id: str | None = None) -> Draft:
    return Draft(AuthorKind.CUSTOMER, text, source="test", external_id=external_id)


def system_tells() -> Draft:
    return Draft(AuthorKind.SYSTEM, "it happened", event={"type": "woken"})


@pytest.fixture
async def thread_id(database: Database) -> UUID:
    async with database.begin() as session:
        return (await threads.create(session, new_id(), ThreadKind.TICKET)).id


async def append(database: Database, thread_id: UUID, draft: Draft) -> Appended:
    async with database.begin() as session:
        return await threads.append(session, await threads.lock(session, thread_id), draft)


async def advance(database: Database, thread_id: UUID, cursor: int) -> Advanced:
    async with database.begin() as session:
        return await threads.advance(session, await threads.lock(session, thread_id), cursor)


class TestAppend:
    async def test_seq_counts_from_one_without_gaps(
        self, database: Database, thread_id: UUID
    ) -> None:
        seqs = [(await append(database, thread_id, customer_says("hello"))).seq for _ in range(3)]
        assert seqs == [1, 2, 3]

    async def test_only_the_first_of_a_burst_asks_for_a_nudge(
        self, database: Database, thread_id: UUID
    ) -> None:
        nudges = [
            (await append(database, thread_id, customer_says("hello"))).nudge for _ in range(3)
        ]
        assert nudges == [True, False, False]

    async def test_same_external_id_is_written_once(
        self, database: Database, thread_id: UUID
    ) -> None:
        first = await append(database, thread_id, customer_says("hello", "a"))
        second = await append(database, thread_id, customer_says("hello", "a"))
        assert second.id == first.id
        assert (second.created, second.nudge) == (False, False)
        async with database.begin() as session:
            assert await reading.newest_seq(session, thread_id) == 1

    async def test_system_event_after_handled_entries_wakes_nobody(
        self, database: Database, thread_id: UUID
    ) -> None:
        event = await append(database, thread_id, system_tells())
        assert not event.nudge
        message = await append(database, thread_id, customer_says("hello"))
        assert (message.seq, message.nudge) == (2, True)


class TestAdvance:
    async def test_returns_what_follows_the_cursor(
        self, database: Database, thread_id: UUID
    ) -> None:
        for _ in range(3):
            await append(database, thread_id, customer_says("hello"))
        assert [head.seq for head in (await advance(database, thread_id, 1)).heads] == [2, 3]

    async def test_after_all_is_handled_the_next_append_asks_for_a_nudge(
        self, database: Database, thread_id: UUID
    ) -> None:
        await append(database, thread_id, customer_says("hello"))
        assert (await advance(database, thread_id, 1)).heads == []
        assert (await append(database, thread_id, customer_says("hello"))).nudge

    async def test_cursor_passes_system_events(self, database: Database, thread_id: UUID) -> None:
        await append(database, thread_id, customer_says("hello"))
        await append(database, thread_id, system_tells())
        seen = await advance(database, thread_id, 1)
        assert (seen.cursor, seen.heads) == (2, [])

    async def test_never_goes_back(self, database: Database, thread_id: UUID) -> None:
        await append(database, thread_id, customer_says("hello"))
        await advance(database, thread_id, 1)
        assert (await advance(database, thread_id, 0)).cursor == 1
