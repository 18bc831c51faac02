"""Tickets that wait for an answer are found without looking at those that do not."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.models import AuthorKind, Channel, TicketStatus, Visibility
from store import customers, tickets, xmpp_desk
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from store.tickets import NewTicket
from tests.store.writing import POLICY

JID = "jo@example.com"
MANY = 2_000


async def open_ticket(
    database: Database,
    channel: Channel = Channel.XMPP,
    author: AuthorKind = AuthorKind.CUSTOMER,
    jid: str | None = JID,
) -> UUID:
    async with database.begin() as session:
        customer = await customers.meet(session, Introduction(channel, email=JID))
        new = NewTicket(customer.id, channel, "Help", channel_identity=jid)
        return (await tickets.open_ticket(session, new, Draft(author, "Help"), POLICY)).ticket_id


async def write(
    database: Database,
    ticket_id: UUID,
    author: AuthorKind,
    visibility: Visibility = Visibility.PUBLIC,
) -> UUID:
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        draft = Draft(author, "More", visibility=visibility)
        return (await tickets.write(session, row, draft, POLICY)).ticket_id


async def set_status(database: Database, ticket_id: UUID, status: TicketStatus) -> None:
    async with database.begin() as session:
        state, thread = await tickets.load(session, ticket_id)
        await tickets.record(session, thread, state.model_copy(update={"status": status}), [])


async def awaiting(database: Database) -> list[UUID]:
    async with database.begin() as session:
        rows = await xmpp_desk.awaiting(session, offset=0, limit=100)
    return [row.ticket.id for row in rows]


async def versions_of(database: Database, ticket_id: UUID) -> str:
    """Changes with every write of the ticket's row."""
    async with database.begin() as session:
        found = await session.scalar(
            text("SELECT xmin::text || ctid FROM tickets WHERE id = :id"), {"id": ticket_id}
        )
    return str(found)


async def test_the_last_public_message_says_whether_a_ticket_waits(database: Database) -> None:
    ticket = await open_ticket(database)
    assert await awaiting(database) == [ticket]
    for author, visibility, waits in (
        (AuthorKind.AGENT, Visibility.PRIVATE, True),
        (AuthorKind.AGENT, Visibility.PUBLIC, False),
        (AuthorKind.CUSTOMER, Visibility.PUBLIC, True),
        (AuthorKind.AI, Visibility.PUBLIC, False),
        (AuthorKind.AGENT, Visibility.PRIVATE, False),
    ):
        await write(database, ticket, author, visibility)
        assert await awaiting(database) == ([ticket] if waits else []), (author, visibility)


async def test_closed_ticket_waits_no_more_and_the_one_that_follows_does(
    database: Database,
) -> None:
    ticket = await open_ticket(database)
    await set_status(database, ticket, TicketStatus.RESOLVED)
    assert await awaiting(database) == [ticket]
    await set_status(database, ticket, TicketStatus.CLOSED)
    assert await awaiting(database) == []
    follower = await write(database, ticket, AuthorKind.CUSTOMER)
    assert follower != ticket
    assert await awaiting(database) == [follower]


async def test_those_that_nobody_could_bring_an_answer_to_do_not_wait(database: Database) -> None:
    await open_ticket(database, Channel.WEB)
    await open_ticket(database, jid=None)
    await open_ticket(database, author=AuthorKind.AGENT)
    assert await awaiting(database) == []


@pytest.mark.parametrize("channel", [Channel.WEB, Channel.XMPP])
async def test_ticket_is_written_only_when_that_changes(
    database: Database, channel: Channel
) -> None:
    ticket = await open_ticket(database, channel)
    for author in (AuthorKind.CUSTOMER, AuthorKind.AGENT, AuthorKind.AGENT, AuthorKind.CUSTOMER):
        before = await versions_of(database, ticket)
        was = await awaiting(database)
        await write(database, ticket, author)
        changed = await versions_of(database, ticket) != before
        assert changed is (await awaiting(database) != was)


async def test_answered_tickets_are_not_looked_at(database: Database) -> None:
    ticket = await open_ticket(database)
    async with database.begin() as session:
        await session.execute(_ANSWERED, {"like": ticket, "many": MANY, "now": datetime.now(UTC)})
    async with database.begin() as session:
        await session.execute(text("ANALYZE tickets, threads"))
    async with database.begin() as session:
        before = await session.scalar(_READ)
        rows = await xmpp_desk.awaiting(session, offset=0, limit=100)
        after = await session.scalar(_READ)
    assert [row.ticket.id for row in rows] == [ticket]
    assert after - before < 20


_ANSWERED = text(
    """
    WITH made AS (
        INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)
        SELECT gen_random_uuid(), 'ticket', :now, :now, :now, 0 FROM generate_series(1, :many)
        RETURNING id
    )
    INSERT INTO tickets (
        id, customer_id, channel, channel_identity, is_bot_handoff, subject, tags, status,
        priority, deadlines, breached, version, created_at
    )
    SELECT made.id, customer_id, channel, channel_identity, false, subject, tags, 'open',
        priority, deadlines, false, 1, :now
    FROM made, tickets WHERE tickets.id = :like
    """
)
_READ = text(
    """
    SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int
    FROM pg_stat_xact_user_tables WHERE relname IN ('tickets', 'threads')
    """
)
"""Rows that this connection has read; what other tests read elsewhere is not in it."""
