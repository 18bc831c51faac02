"""What a client has collected equals the log, in order: no gap, nothing twice. Whatever happens."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from sqlalchemy import exc

from api.config import ApiConfig
from domain.models import ThreadKind, Visibility
from holdfast.embedded.postgres import EmbeddedPostgres
from store import migrate, reading
from store.database import Database
from store.postgres_feed import APPLICATION_NAME
from tests.api.people import token
from tests.api.socket_serving import PATIENCE, ApiProcess, Listener, api_process
from tests.store.chatting import new_conversation
from tests.store.writing import open_ticket, write

TRANSPORTS = (["websocket"], ["polling"], ["polling", "websocket"])


@pytest.fixture
async def processes(config: ApiConfig, database_url: str) -> AsyncIterator[Sequence[ApiProcess]]:
    """Two of them, on one database."""
    async with api_process(config, database_url) as one, api_process(config, database_url) as two:
        yield (one, two)


def listen(process: ApiProcess, *transports: str) -> Listener:
    return Listener(process.url, token("agent"), *transports)


async def write_many(database: Database, thread_ids: Sequence[UUID], count: int) -> None:
    chance = random.Random(count)
    for _ in range(count):
        visibility = chance.choice(list(Visibility))
        await write(database, chance.choice(thread_ids), visibility=visibility)


async def end_feeds(connection: AsyncConnection) -> None:
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = %s AND datname = current_database()",
        [APPLICATION_NAME],
    )


async def subscribe(listener: Listener, kind: ThreadKind, thread_id: UUID, after: int) -> None:
    if kind is ThreadKind.TICKET:
        await listener.subscribe(thread_id, after)
    else:
        await listener.follow(thread_id, after)


class Life:
    """A client that comes, goes and comes back, to either process, over any transport."""

    def __init__(self, chance: random.Random, kind: ThreadKind, thread_id: UUID) -> None:
        self._chance = chance
        self._kind = kind
        self.thread_id = thread_id
        self.seqs: list[int] = []

    async def live(self, processes: Sequence[ApiProcess], writing: asyncio.Task[None]) -> None:
        while not writing.done():
            listener = listen(self._chance.choice(processes), *self._chance.choice(TRANSPORTS))
            async with listener:
                await subscribe(listener, self._kind, self.thread_id, self.last)
                enough = self._chance.randrange(30)
                await self._wait(listener, enough, writing)
            self.seqs += listener.seqs

    async def catch_up(self, process: ApiProcess, last_seq: int) -> None:
        async with listen(process) as listener:
            await subscribe(listener, self._kind, self.thread_id, self.last)
            await listener.until(lambda: self.last + len(listener.seqs) >= last_seq)
        self.seqs += listener.seqs

    @property
    def last(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    async def _wait(self, listener: Listener, enough: int, writing: asyncio.Task[None]) -> None:
        """Until it got so many, or no more are written."""
        waiting = asyncio.create_task(listener.until(lambda: len(listener.seqs) >= enough))
        await asyncio.wait({waiting, writing}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()


@pytest.mark.parametrize("kind", ThreadKind)
@pytest.mark.parametrize("seed", range(2))
async def test_clients_that_come_and_go(
    processes: Sequence[ApiProcess], database: Database, kind: ThreadKind, seed: int
) -> None:
    """While the connections that listen are ended, too."""
    chance = random.Random(seed)
    begin = open_ticket if kind is ThreadKind.TICKET else new_conversation
    thread_ids = [await begin(database) for _ in range(3)]
    lives = [Life(chance, kind, chance.choice(thread_ids)) for _ in range(15)]
    writing = asyncio.create_task(write_many(database, thread_ids, 600))
    living = asyncio.gather(*(life.live(processes, writing) for life in lives))
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        while not writing.done():
            await asyncio.wait({writing}, timeout=0.3)
            await end_feeds(connection)
    await writing
    await living
    for life in lives:
        last_seq = await _last_seq(database, life.thread_id)
        await life.catch_up(chance.choice(processes), last_seq)
        assert life.seqs == list(range(1, last_seq + 1))


async def test_lost_feed_heals_under_those_who_stay(
    processes: Sequence[ApiProcess], database: Database
) -> None:
    ticket_id = await open_ticket(database)
    async with (
        listen(processes[0]) as listener,
        listen(processes[1]) as lists,
        await AsyncConnection.connect(database.dsn, autocommit=True) as connection,
    ):
        await listener.subscribe(ticket_id, 0)
        await lists.call("subscribe", {"scope": "tickets"})
        for _ in range(5):
            await end_feeds(connection)
            for _ in range(20):
                await write(database, ticket_id)
        await listener.until(lambda: listener.seqs[-1:] == [101])
        assert listener.seqs == list(range(1, 102))
        await lists.until(
            lambda: 101 in [told["lastSeq"] for told in lists.payloads("ticket:updated")]
        )
        told = [updated["lastSeq"] for updated in lists.payloads("ticket:updated")]
        assert told == sorted(set(told))


async def test_killed_postgresql_costs_nothing(config: ApiConfig, tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        await asyncio.to_thread(migrate.upgrade, postgres.dsn)
        database = Database(postgres.dsn)
        ticket_id = await open_ticket(database)
        async with api_process(config, postgres.dsn) as process, listen(process) as listener:
            await listener.subscribe(ticket_id)
            last_seq = 1
            for _ in range(2):
                for _ in range(20):
                    last_seq = await write(database, ticket_id)
                assert postgres._child is not None
                await postgres._child.kill()
                await postgres.start()
                last_seq = await _write_when_back(database, ticket_id)
            await listener.until(lambda: listener.seqs[-1:] == [last_seq])
            assert listener.seqs == list(range(2, last_seq + 1))
        await database.close()


async def _write_when_back(database: Database, ticket_id: UUID) -> int:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await write(database, ticket_id)
            except (exc.SQLAlchemyError, psycopg.Error):
                await asyncio.sleep(0.1)


async def _last_seq(database: Database, ticket_id: UUID) -> int:
    async with database.begin() as session:
        return await reading.newest_seq(session, ticket_id)
