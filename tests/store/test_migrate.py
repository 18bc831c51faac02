"""Schemas: made once, made at once, and never made older."""

import asyncio

import pytest
from psycopg import AsyncConnection, sql

from domain.errors import DatabaseUnavailable, NewerDatabase
from holdfast.embedded.postgres import EmbeddedPostgres
from store import migrate
from tests.conftest import fresh_name


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> str:
    """A database without a schema; it goes when its server does."""
    name = fresh_name()
    async with await AsyncConnection.connect(postgres.dsn, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return postgres.dsn_of(name)


def test_new_database_has_no_schema(empty: str) -> None:
    status = migrate.status(empty)
    assert (status.current, status.up_to_date) == (None, False)


def test_twice_is_once(empty: str) -> None:
    migrate.upgrade(empty)
    migrate.upgrade(empty)
    assert migrate.status(empty).up_to_date


async def test_processes_that_start_together_migrate_one_after_the_other(empty: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate.upgrade, empty) for _ in range(4)))
    assert migrate.status(empty).up_to_date


async def test_schema_of_a_later_version_is_refused(empty: str) -> None:
    migrate.upgrade(empty)
    async with await AsyncConnection.connect(empty) as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for look in (migrate.status, migrate.upgrade):
        with pytest.raises(NewerDatabase, match="newer Holdfast"):
            look(empty)


async def test_revisions_of_another_cluster_are_forgotten(empty: str) -> None:
    migrate.upgrade(empty)
    async with await AsyncConnection.connect(empty) as connection:
        await connection.execute(
            "INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)"
            " VALUES (gen_random_uuid(), 'ticket', now(), now(), now(), 9223372036854775807)"
        )
    migrate.upgrade(empty)
    async with await AsyncConnection.connect(empty) as connection:
        cursor = await connection.execute("SELECT revision FROM threads")
        assert await cursor.fetchone() == (0,)


def test_no_server_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate.status("postgresql://postgres@127.0.0.1:1/nothing")
