"""The change feed: what a watch is told, and that it is told when it may have missed something."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection, sql

from domain.models import ThreadKind, ThreadRef
from domain.names import THREADS_CHANNEL
from domain.principals import Scope
from store import feed, keys
from store.database import Database
from store.feed import Changes, Feed, Watch, Whisper, WhisperKind
from store.postgres_feed import APPLICATION_NAME, PostgresFeed
from tests.store.writing import open_ticket, write


@pytest.fixture
async def listening(database: Database) -> AsyncIterator[PostgresFeed]:
    opened = PostgresFeed(database, heartbeat=0.5)
    with opened.watch() as watch:
        async with opened.running():
            assert (await soon(watch)).reset
            yield opened


async def soon(watch: Watch) -> Changes:
    async with asyncio.timeout(20):
        return await watch.changes()


async def until_reset(watch: Watch) -> None:
    while not (await soon(watch)).reset:
        pass


_FEED = "FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"


async def freeze_feed(connection: AsyncConnection) -> int:
    """Stop its backend while that does nothing, and return its process id. One that is stopped
    in the middle may hold a lock of the server's, and then nobody at all can listen."""
    while True:
        row = await (await connection.execute(f"SELECT pid {_FEED}", [APPLICATION_NAME])).fetchone()
        assert row is not None
        backend = int(row[0])
        os.kill(backend, signal.SIGSTOP)
        asked = f"SELECT wait_event {_FEED}"
        row = await (await connection.execute(asked, [APPLICATION_NAME])).fetchone()
        if row is not None and row[0] == "ClientRead":
            return backend
        os.kill(backend, signal.SIGCONT)


async def end_feed(connection: AsyncConnection) -> None:
    await connection.execute(f"SELECT pg_terminate_backend(pid) {_FEED}", [APPLICATION_NAME])


class TestWatch:
    async def test_many_hints_of_one_thread_are_one(self) -> None:
        watch, thread_id = Watch(), uuid4()
        for _ in range(100):
            watch.thread_changed(thread_id)
        assert (await watch.changes()).threads == {thread_id}

    async def test_too_many_threads_are_a_reset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(feed, "MAX_THREADS", 3)
        watch = Watch()
        for _ in range(5):
            watch.thread_changed(uuid4())
        assert await watch.changes() == Changes(frozenset(), (), keys=False, reset=True)

    async def test_waits_when_there_is_nothing_new(self) -> None:
        watch = Watch()
        watch.thread_changed(uuid4())
        await watch.changes()
        waiting = asyncio.create_task(watch.changes())
        await asyncio.sleep(0)
        assert not waiting.done()
        watch.keys_changed()
        assert (await waiting).keys


class TestPostgresFeed:
    async def test_tells_of_an_append(self, listening: Feed, database: Database) -> None:
        with listening.watch() as watch:
            ticket_id = await open_ticket(database)
            assert (await soon(watch)).threads == {ticket_id}

    async def test_tells_every_watch(self, listening: Feed, database: Database) -> None:
        with listening.watch() as one, listening.watch() as another:
            ticket_id = await open_ticket(database)
            assert (await soon(one)).threads == (await soon(another)).threads == {ticket_id}

    async def test_tells_of_keys(self, listening: Feed, database: Database) -> None:
        with listening.watch() as watch:
            async with database.begin() as session:
                await keys.create(session, "test", [Scope.TICKETS])
            assert (await soon(watch)).keys

    async def test_tells_who_types(self, listening: Feed) -> None:
        thread = ThreadRef(kind=ThreadKind.CONVERSATION, id=uuid4())
        whisper = Whisper(thread, WhisperKind.READ, by_customer=True, value=7, sid="a-socket_1")
        with listening.watch() as watch:
            await listening.tell(whisper)
            assert (await soon(watch)).whispers == (whisper,)

    async def test_unreadable_payload_is_passed_over(
        self, listening: Feed, database: Database
    ) -> None:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
            channel = sql.Identifier(THREADS_CHANNEL)
            await connection.execute(sql.SQL("NOTIFY {}, 'nonsense'").format(channel))
        with listening.watch() as watch:
            ticket_id = await open_ticket(database)
            assert (await soon(watch)).threads == {ticket_id}

    async def test_lost_connection_is_a_reset(self, listening: Feed, database: Database) -> None:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
            with listening.watch() as watch:
                await end_feed(connection)
                await until_reset(watch)
                ticket_id = await open_ticket(database)
                assert ticket_id in (await soon(watch)).threads

    async def test_silent_connection_is_given_up(self, listening: Feed, database: Database) -> None:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
            with listening.watch() as watch:
                stopped = await freeze_feed(connection)
                try:
                    await until_reset(watch)
                    ticket_id = await open_ticket(database)
                    assert ticket_id in (await soon(watch)).threads
                finally:
                    os.kill(stopped, signal.SIGCONT)

    async def test_deaf_connection_is_given_up(
        self, listening: PostgresFeed, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As behind a pooler, which answers without passing notifications on."""
        execute: Any = AsyncConnection.execute

        async def silently(connection: AsyncConnection, query: object, *rest: object) -> object:
            if "pg_notify" in str(query):
                return await execute(connection, "SELECT 1")
            return await execute(connection, query, *rest)

        with listening.watch() as watch:
            with monkeypatch.context() as patched:
                patched.setattr(AsyncConnection, "execute", silently)
                await until_reset(watch)
            await until_reset(watch)
            ticket_id = await open_ticket(database)
            assert ticket_id in (await soon(watch)).threads

    async def test_every_append_is_hinted_or_covered_by_a_reset(
        self, listening: Feed, database: Database
    ) -> None:
        """While the connection is ended again and again."""
        ticket_id = await open_ticket(database)
        written = asyncio.create_task(_write_many(database, ticket_id, 300))
        known = 0
        with listening.watch() as watch:
            async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
                while known < 301:
                    changes = await soon(watch)
                    if changes.reset or ticket_id in changes.threads:
                        known = await _last_seq(connection, ticket_id)
                    if not changes.reset and not written.done():
                        await end_feed(connection)
        await written


async def _write_many(database: Database, ticket_id: UUID, count: int) -> None:
    for _ in range(count):
        await write(database, ticket_id)


async def _last_seq(connection: AsyncConnection, ticket_id: UUID) -> int:
    query = "SELECT last_seq FROM threads WHERE id = %s"
    row = await (await connection.execute(query, [ticket_id])).fetchone()
    assert row is not None
    return int(row[0])
