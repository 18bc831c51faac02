"""What the logs are told of people's comings and goings.

Whoever tells that somebody is here or gone has taken their turn: see `store.presences.take_turns`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event
from domain.models import (
    ConversationStatus,
    EventType,
    Side,
    ThreadKind,
    ThreadRef,
    Visibility,
)
from store import conversations, threads
from store.allocator import ACTIVE, OF_LATE
from store.conversations import ConversationRow
from store.presences import Person
from store.tables import Conversation, Customer


@dataclass(frozen=True, slots=True)
class News:
    """Something to be told in a log, and what the log will have told last then."""

    conversation_id: UUID
    event: Event
    changed: Mapping[str, bool]


async def of_arrival(session: AsyncSession, person: Person) -> list[News]:
    if person.side is Side.CUSTOMER:
        event = Event(type=EventType.ARRIVED, side=Side.CUSTOMER)
        return await _for_customer(session, person.id, event, here=True)
    event = Event(type=EventType.ARRIVED, side=Side.AGENT, by=person.id)
    return await _for_agent(session, person.id, event, {"agent_absent": False})


async def of_leaving(session: AsyncSession, person: Person, since: datetime) -> list[News]:
    kind = EventType.DISCONNECTED
    if person.side is Side.CUSTOMER:
        event = Event(type=kind, side=Side.CUSTOMER, since=since)
        return await _for_customer(session, person.id, event, here=False)
    event = Event(type=kind, side=Side.AGENT, by=person.id, since=since)
    return await _for_agent(session, person.id, event, {"agent_absent": True})


async def of_signing_off(session: AsyncSession, agent_id: str) -> list[News]:
    event = Event(type=EventType.SIGNED_OFF, side=Side.AGENT, by=agent_id)
    return await _for_agent(session, agent_id, event, {})


async def misjudged(session: AsyncSession, limit: int) -> set[Person]:
    """Agents of whom `of_calls` has something to tell."""
    found = await session.scalars(_MISJUDGED, {"agent": None, "limit": limit})
    return {Person(Side.AGENT, agent_id) for agent_id in found}


async def of_calls(session: AsyncSession, agent_id: str) -> list[News]:
    """Of an agent who has no sockets, as far as calls tell.

    Who had not called of late when a conversation was given to them is absent from then on, until
    they call, or open a socket. Who had keeps it, however silent.
    """
    # All of one agent: there are never many.
    rows = await session.execute(_MISJUDGED, {"agent": agent_id, "limit": None})
    return [
        News(
            row.id,
            Event(
                type=EventType.DISCONNECTED if row.absent else EventType.ARRIVED,
                side=Side.AGENT,
                by=agent_id,
                since=row.assigned_at if row.absent else None,
            ),
            {"agent_absent": row.absent},
        )
        for row in rows
    ]


async def tell(session: AsyncSession, news: Iterable[News]) -> list[ThreadRef]:
    """Append to the logs, in one order for all, so that none wait for each other.

    Returns the threads to nudge after the commit.
    """
    told: list[ThreadRef] = []
    for each in sorted(news, key=lambda each: each.conversation_id):
        row = await conversations.find(session, each.conversation_id, lock=True)
        by = each.event.by
        # Meanwhile it may have ended, or have gone to another agent.
        if not row.thread.open or (by is not None and row.conversation.agent_id != by):
            continue
        shown = each.event.model_copy(
            update={
                "status": row.conversation.status,
                "visibility": Visibility.PUBLIC,
                "since": _since(each.event, row),
            }
        )
        await threads.append_event(session, row.locked, shown)
        if each.changed:
            await session.execute(
                update(Conversation)
                .where(Conversation.id == each.conversation_id)
                .values(**each.changed)
            )
        told.append(ThreadRef(kind=ThreadKind.CONVERSATION, id=each.conversation_id))
    return told


async def _for_customer(
    session: AsyncSession, customer_id: str, event: Event, *, here: bool
) -> list[News]:
    # Their sockets know them by the name that they had before they were merged.
    whose = select(func.coalesce(Customer.merged_into, Customer.id)).where(
        Customer.id == UUID(customer_id)
    )
    query = select(Conversation.id).where(
        Conversation.customer_id == whose.scalar_subquery(),
        Conversation.status != ConversationStatus.CLOSED,
        Conversation.customer_present.is_not(here),
    )
    return [News(each, event, {"customer_present": here}) for each in await session.scalars(query)]


async def _for_agent(
    session: AsyncSession, agent_id: str, event: Event, changed: Mapping[str, bool]
) -> list[News]:
    query = select(Conversation.id).where(
        Conversation.agent_id == agent_id,
        Conversation.status.in_(ACTIVE),
        *(getattr(Conversation, flag).is_not(value) for flag, value in changed.items()),
    )
    return [News(each, event, changed) for each in await session.scalars(query)]


def _since(event: Event, row: ConversationRow) -> datetime | None:
    """An agent is not gone from a conversation for longer than they have it."""
    assigned_at = conversations.state_of(row).assigned_at
    if event.since is None or event.side is Side.CUSTOMER or assigned_at is None:
        return event.since
    return max(event.since, assigned_at)


# Somebody whose sockets have just gone may be loading the page anew: they still have presences.
_MISJUDGED = text(
    """
    SELECT agent_id, id, absent, assigned_at FROM (
        SELECT agent_id, conversations.id, agent_absent, assigned_at, NOT EXISTS (
            SELECT FROM presences WHERE person = 'agent/' || agents.id
        ) AND coalesce(last_seen_at < assigned_at - :of_late, true) AS absent
        FROM agents JOIN conversations ON agent_id = agents.id,
            CAST(state->>'assigned_at' AS timestamptz) AS assigned_at
        WHERE status IN ('ASSIGNED', 'CONNECTED') AND agents.gone_at IS NULL
            AND agent_id = coalesce(CAST(:agent AS text), agent_id)
    ) AS judged
    WHERE absent <> agent_absent ORDER BY assigned_at LIMIT :limit
    """
).bindparams(of_late=OF_LATE)
