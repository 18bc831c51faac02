"""The queue: who waits for an agent, the longest-waiting first."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import ConversationStatus
from store import reading
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


async def page(session: AsyncSession, *, offset: int = 0, limit: int) -> list[QueueEntry]:
    """A part of the queue, each with the newest public message."""
    query = (
        select(Conversation.id, Customer, Conversation.tags, Conversation.queued_at)
        .join(Customer, Customer.id == Conversation.customer_id)
        .where(Conversation.status == ConversationStatus.QUEUED)
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


async def count(session: AsyncSession) -> int:
    """How many wait."""
    query = (
        select(func.count())
        .select_from(Conversation)
        .where(Conversation.status == ConversationStatus.QUEUED)
    )
    return (await session.execute(query)).scalar_one()
