"""Schemas: made once, made at once, and never made older."""

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from psycopg import AsyncConnection, sql
from sqlalchemy import create_engine, make_url

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


async def test_tickets_that_waited_for_an_answer_before_0003_wait_after_it(empty: str) -> None:
    _upgrade_to(empty, "0002")
    async with await AsyncConnection.connect(empty) as connection:
        await connection.execute(
            "INSERT INTO customers (id, created_at) VALUES (gen_random_uuid(), now())"
        )
        for subject, channel, status, jid, log in (
            ("asked", "xmpp", "open", "a@b", "customer"),
            ("noted", "xmpp", "resolved", "a@b", "customer agent/private system"),
            ("asked again", "xmpp", "open", "a@b", "customer agent customer"),
            ("answered", "xmpp", "open", "a@b", "customer agent"),
            ("closed", "xmpp", "closed", "a@b", "customer"),
            ("nameless", "xmpp", "open", None, "customer"),
            ("web", "web", "open", "a@b", "customer"),
        ):
            ticket = {"subject": subject, "channel": channel, "status": status, "jid": jid}
            await connection.execute(_OLD_TICKET, ticket | {"log": log.split()})
    migrate.upgrade(empty)
    async with await AsyncConnection.connect(empty) as connection:
        found = await connection.execute("SELECT subject FROM tickets WHERE awaits_reply")
        waiting = {row[0] for row in await found.fetchall()}
    assert waiting == {"asked", "noted", "asked again"}


async def test_what_is_under_way_before_0008_goes_on_after_it(empty: str) -> None:
    _upgrade_to(empty, "0007")
    async with await AsyncConnection.connect(empty) as connection:
        await connection.execute(
            "INSERT INTO customers (id, name, created_at) VALUES (gen_random_uuid(), 'Jo', now())"
        )
        await connection.execute(_OLD_REPLIES)
        await connection.execute(_OLD_CONVERSATION)
        await connection.execute("INSERT INTO command_texts VALUES ('cause', 'Goodbye', now())")
    migrate.upgrade(empty)
    async with await AsyncConnection.connect(empty) as connection:
        found = await connection.execute(
            "SELECT delivery.state, pieces, pieces_sent, piece.external_id, piece.state"
            " FROM deliveries AS delivery LEFT JOIN delivery_pieces AS piece USING (thread_id, seq)"
            " ORDER BY seq"
        )
        assert await found.fetchall() == [
            ("pending", 1, 0, None, None),
            ("pending", 1, 0, "stanza-2", "pending"),
            ("sent", 1, 1, "stanza-3", "sent"),
            ("failed", 1, 1, "stanza-4", "failed"),
            ("unknown", 1, 1, None, "unknown"),
        ]
        found = await connection.execute(
            "SELECT name, merged_into, erased_at, status, content, thread_id"
            " FROM customers, conversations, command_texts"
        )
        assert await found.fetchall() == [("Jo", None, None, "QUEUED", "Goodbye", None)]


def test_no_server_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate.status("postgresql://postgres@127.0.0.1:1/nothing")


def _upgrade_to(dsn: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(make_url(dsn).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


_OLD_TICKET = """
WITH thread AS (
    INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)
    VALUES (gen_random_uuid(), 'ticket', now(), now(), now(), 0) RETURNING id
), ticket AS (
    INSERT INTO tickets (
        id, customer_id, channel, channel_identity, is_bot_handoff, subject, tags, status,
        priority, deadlines, breached, version, created_at
    )
    SELECT thread.id, customers.id, %(channel)s, %(jid)s, false, %(subject)s, '{}', %(status)s,
        'medium', '{}', false, 1, now()
    FROM thread, customers
)
INSERT INTO messages (
    thread_id, seq, id, author, visibility, content, content_type, metadata, attachments, created_at
)
SELECT thread.id, seq, gen_random_uuid(), split_part(entry, '/', 1),
    coalesce(nullif(split_part(entry, '/', 2), ''), 'public'), 'text', 'text', '{}', '[]', now()
FROM thread, unnest(%(log)s::text[]) WITH ORDINALITY AS log (entry, seq)
"""
_OLD_REPLIES = """
WITH thread AS (
    INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)
    VALUES (gen_random_uuid(), 'ticket', now(), now(), now(), 0) RETURNING id
), replies (seq, state, attempts, external_id) AS (VALUES
    (1, 'pending', 0, NULL),
    (2, 'pending', 1, 'stanza-2'),
    (3, 'sent', 1, 'stanza-3'),
    (4, 'failed', 1, 'stanza-4'),
    (5, 'unknown', 1, NULL)
), message AS (
    INSERT INTO messages (
        thread_id, seq, id, author, visibility, content, content_type, metadata, attachments,
        created_at
    )
    SELECT thread.id, seq, gen_random_uuid(), 'agent', 'public', 'text', 'text', '{}', '[]', now()
    FROM thread, replies
)
INSERT INTO deliveries (
    thread_id, seq, outlet, address, external_id, state, attempts, changed_at, nudge_due_at
)
SELECT thread.id, seq, 'xmpp-desk@a', 'jo@b', external_id, state, attempts, now(), now()
FROM thread, replies
"""
_OLD_CONVERSATION = """
WITH thread AS (
    INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)
    VALUES (gen_random_uuid(), 'conversation', now(), now(), now(), 0) RETURNING id
)
INSERT INTO conversations (id, customer_id, tags, metadata, status, queued_at, state, created_at)
SELECT thread.id, customers.id, '{}', '{}', 'QUEUED', now(), '{}', now() FROM thread, customers
"""
