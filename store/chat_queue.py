"""The queue: who waits for an agent, the longest-waiting first."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import ConversationStatus
from store import allocator, reading
from store.reading import Entry
from store.tables import Conversation, Customer


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A customer who waits. `position` counts from 1."""

    conversation_id: UUID
    customer: Customer
    tags: list[str]
    queued_at: datetime
    position: int
    last_message: Entry | None


async def page(
    session: AsyncSession, *, offset: int = 0, limit: int, left_by: str | None = None
) -> list[QueueEntry]:
    """A part of the queue, each with the newest public message.

    What the agent `left_by` still has, having signed off, counts as given back.
    """
    query = (
        select(Conversation.id, Customer, Conversation.tags, Conversation.queued_at)
        .join(Customer, Customer.id == Conversation.customer_id)
        .where(_waits(left_by))
        .order_by(Conversation.queued_at, Conversation.id)
        .offset(offset)
        .limit(limit)
    )
    found = (await session.execute(query)).all()
    newest = await reading.newest_entries(session, [row.id for row in found], private=False)
    return [
        QueueEntry(
            row.id,
            row.Customer,
            row.tags,
            row.queued_at,
            position,
            next(iter(newest.get(row.id, ())), None),
        )
        for position, row in enumerate(found, offset + 1)
    ]


async def count(session: AsyncSession, *, left_by: str | None = None) -> int:
    """How many wait; `left_by` as in `page`."""
    query = select(func.count()).select_from(Conversation).where(_waits(left_by))
    return (await session.execute(query)).scalar_one()


def _waits(left_by: str | None) -> ColumnElement[bool]:
    queued = Conversation.status == ConversationStatus.QUEUED
    if left_by is None:
        return queued
    left = and_(Conversation.agent_id == left_by, Conversation.status.in_(allocator.ACTIVE))
    return or_(queued, left)
