"""Lists of tickets: filters, pages, search, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, any_, cast, func, select, text, union
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import Channel, Priority, TicketStatus, Visibility
from store.tables import Customer, Message, Thread, Ticket, TicketTally
from store.tickets import TicketRow


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Which tickets; what is None does not narrow.

    `q` finds words, and beginnings of words, in subjects and messages: all of them in one place.
    Private notes are searched only when `private`.
    """

    status: TicketStatus | None = None
    statuses: frozenset[TicketStatus] | None = None
    """Any of these."""
    assigned_agent_id: str | None = None
    priority: Priority | None = None
    channel: Channel | None = None
    channel_identity: str | None = None
    tag: str | None = None
    customer_id: UUID | None = None
    q: str | None = None
    private: bool = True
    breached: bool | None = None
    snoozed: bool | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def page(
    session: AsyncSession,
    wanted: TicketFilter,
    *,
    offset: int,
    limit: int,
    breached_first: bool = False,
) -> list[TicketRow]:
    """A page of tickets, newest first; with `breached_first` those come before all others."""
    order: list[Any] = [Ticket.created_at.desc(), Ticket.number.desc()]
    if breached_first:
        order.insert(0, Ticket.breached.desc())
    # The page is cut from an index before anything is joined to it.
    cut = select(Ticket.id).where(*_conditions(wanted)).order_by(*order)
    ids = cut.offset(offset).limit(limit).subquery()
    query = (
        select(Ticket, Thread, Customer)
        .join(ids, ids.c.id == Ticket.id)
        .join(Thread, Thread.id == Ticket.id)
        .join(Customer, Customer.id == Ticket.customer_id)
        .order_by(*order)
    )
    return [TicketRow(*row) for row in await session.execute(query)]


async def count(session: AsyncSession, wanted: TicketFilter) -> int:
    """How many tickets there are; from the tallies where they can tell, by counting elsewhere."""
    by_tally = TicketFilter(
        status=wanted.status,
        statuses=wanted.statuses,
        assigned_agent_id=wanted.assigned_agent_id,
        priority=wanted.priority,
        channel=wanted.channel,
        private=wanted.private,
    )
    if wanted != by_tally:
        counted = select(func.count()).select_from(Ticket).where(*_conditions(wanted))
        return await session.scalar(counted) or 0
    query = select(func.coalesce(func.sum(TicketTally.change), 0))
    for column, value in (
        (TicketTally.status, wanted.status),
        (TicketTally.assigned_agent_id, wanted.assigned_agent_id),
        (TicketTally.priority, wanted.priority),
        (TicketTally.channel, wanted.channel),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.statuses is not None:
        query = query.where(TicketTally.status.in_(wanted.statuses))
    return int(await session.scalar(query) or 0)


async def fold_tallies(session: AsyncSession) -> None:
    """Replace the tallies by their sums. Several may do this at once, and nobody waits for it."""
    await session.execute(_FOLD)


def _conditions(wanted: TicketFilter) -> Sequence[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (Ticket.status, wanted.status),
        (Ticket.assigned_agent_id, wanted.assigned_agent_id),
        (Ticket.priority, wanted.priority),
        (Ticket.channel, wanted.channel),
        (Ticket.channel_identity, wanted.channel_identity),
        (Ticket.customer_id, wanted.customer_id),
        (Ticket.breached, wanted.breached),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.statuses is not None:
        found.append(Ticket.status.in_(wanted.statuses))
    if wanted.tag is not None:
        found.append(Ticket.tags.contains([wanted.tag]))
    if wanted.snoozed is not None:
        found.append(Ticket.snoozed_until.is_not(None) == wanted.snoozed)
    if wanted.created_after is not None:
        found.append(Ticket.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        found.append(Ticket.created_at < wanted.created_before)
    if wanted.q is not None:
        # As an array, found first: as a subquery it is joined, by reading all tickets there are.
        matches = func.array(_matches(wanted.q, private=wanted.private).scalar_subquery())
        found.append(Ticket.id == any_(cast(matches, ARRAY(Uuid))))
    return found


def _matches(q: str, *, private: bool) -> Select[tuple[UUID]]:
    # Stemming would need to know the language, the beginnings of words need not.
    query = func.to_tsquery(
        "simple",
        func.regexp_replace(
            cast(func.websearch_to_tsquery("simple", q), Text), r"'([^']|'')+'", r"\&:*", "g"
        ),
    )
    in_messages = select(Message.thread_id).where(Message.search.op("@@")(query))
    if not private:
        in_messages = in_messages.where(Message.visibility == Visibility.PUBLIC)
    in_subjects = select(Ticket.id).where(Ticket.search.op("@@")(query))
    found = union(in_subjects, in_messages).subquery()
    return select(found.c[0])


_FOLD = text(
    """
    WITH oldest AS MATERIALIZED (
        SELECT id, count(*) OVER (
            PARTITION BY status, priority, channel, assigned_agent_id
        ) AS alike
        FROM ticket_tallies ORDER BY id LIMIT 100000
    ), taken AS (
        DELETE FROM ticket_tallies USING oldest
        WHERE ticket_tallies.id = oldest.id AND oldest.alike > 1
        RETURNING status, priority, channel, ticket_tallies.assigned_agent_id, change
    )
    INSERT INTO ticket_tallies (status, priority, channel, assigned_agent_id, change)
    SELECT status, priority, channel, assigned_agent_id, sum(change)
    FROM taken
    GROUP BY status, priority, channel, assigned_agent_id
    HAVING sum(change) <> 0
    """
)
