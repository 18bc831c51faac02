"""From a live conversation to a ticket: the whole log goes along, and both name each other."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import DeadlineKind, DeadlinePolicy, first_deadlines
from domain.events import Event
from domain.ids import new_id
from domain.models import (
    Channel,
    EventType,
    Priority,
    ThreadKind,
    TicketStatus,
    Visibility,
)
from domain.subjects import subject_of
from store import threads
from store.tables import Conversation, Customer, Ticket
from store.threads import Locked
from store.tickets import deadlines_json


async def open_ticket(
    session: AsyncSession,
    conversation: Conversation,
    customer: Customer,
    thread: Locked,
    policy: DeadlinePolicy,
) -> UUID:
    """Open the ticket as which a locked conversation goes on. Its workflow is nudged afterwards,
    by whoever asked for it or by the relay."""
    opened = await threads.create(session, new_id(), ThreadKind.TICKET)
    by_person = conversation.agent_id is not None
    asked = {"from": thread.id, "to": opened.id, "by_person": by_person}
    carried = (await session.execute(_CARRY, asked)).one()
    answered_at: datetime | None = carried.answered_at
    now = carried.now
    deadlines = first_deadlines(policy, Priority.MEDIUM, now)
    if answered_at is not None:
        first = deadlines[DeadlineKind.FIRST_RESPONSE]
        met = first.model_copy(update={"met_at": answered_at})
        deadlines = deadlines | {DeadlineKind.FIRST_RESPONSE: met}
    session.add(
        Ticket(
            id=opened.id,
            customer_id=conversation.customer_id,
            channel=Channel.WEB,
            channel_identity=conversation.contact_email,
            origin_platform_id=None,
            is_bot_handoff=False,
            subject=subject_of(carried.first_words, customer.name),
            tags=list(conversation.tags),
            status=TicketStatus.NEW if answered_at is None else TicketStatus.OPEN,
            priority=Priority.MEDIUM,
            deadlines=deadlines_json(deadlines),
            breached=False,
            version=0,
            conversation_id=conversation.id,
            created_at=now,
        )
    )
    await session.flush()
    carried_over = Locked(
        opened.id, open=True, last_seq=thread.last_seq, handled_seq=thread.last_seq
    )
    event = Event(type=EventType.FROM_CONVERSATION, visibility=Visibility.PUBLIC)
    await threads.append_event(session, carried_over, event)
    return opened.id


# What was carried over keeps its place and its time, and counts as handled: it was a
# conversation's then, and moves no status now.
_CARRY = text(
    """
    WITH carried AS (
        INSERT INTO messages (
            thread_id, seq, id, author, author_id, author_name, visibility, content,
            content_type, event, metadata, attachments, created_at
        )
        SELECT :to, seq, gen_random_uuid(), author, author_id, author_name, visibility, content,
            content_type, event, metadata, attachments, created_at
        FROM messages WHERE thread_id = :from
        RETURNING seq, author, visibility, content, created_at
    ), files AS (
        INSERT INTO attachment_uses (attachment_id, thread_id, seq, visibility)
        SELECT attachment_id, :to, seq, visibility FROM attachment_uses WHERE thread_id = :from
    ), head AS (
        UPDATE threads SET
            last_seq = (SELECT coalesce(max(seq), 0) FROM carried),
            handled_seq = (SELECT coalesce(max(seq), 0) FROM carried),
            last_agent_seq = (
                SELECT max(seq) FROM carried WHERE author = 'agent' AND visibility = 'public'
            ),
            -- A person who has had it has decided that it goes on so, said or unsaid.
            handed_over = :by_person OR (SELECT handed_over FROM threads WHERE id = :from)
        WHERE id = :to
    )
    SELECT now() AS now,
        (SELECT min(created_at) FROM carried
            WHERE author = 'agent' AND visibility = 'public') AS answered_at,
        (SELECT content FROM carried WHERE author = 'customer' ORDER BY seq LIMIT 1) AS first_words
    """
)
