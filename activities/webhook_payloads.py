"""What subscribers of webhooks are told: an entry of a log, and where its thread stands.

It is read when it is sent, so that nothing is told which was erased in between.
"""

from typing import Any

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import TicketNotFound
from domain.ids import (
    customer_id_text,
    message_id_text,
    ticket_id_text,
    webhook_event_id_text,
)
from domain.models import AuthorKind
from domain.webhooks import PING, WebhookEvent
from store import conversations, reading, tickets
from store.conversations import ConversationRow
from store.reading import Entry
from store.tickets import TicketRow

Json = dict[str, Any]


async def payload(session: AsyncSession, event: WebhookEvent) -> bytes:
    return to_json(
        {
            "id": webhook_event_id_text(event.id),
            "type": event.kind,
            "timestamp": event.created_at,
            "data": await _data(session, event),
        }
    )


async def _data(session: AsyncSession, event: WebhookEvent) -> Json:
    if event.kind == PING or event.thread_id is None or event.seq is None:
        return {}
    entry = await reading.entry(session, event.thread_id, event.seq)
    if entry is None:
        raise RuntimeError("an entry of a log has gone")
    return {"seq": event.seq, "message": _message(entry)} | await _thread(session, entry)


async def _thread(session: AsyncSession, entry: Entry) -> Json:
    try:
        return {"thread": "ticket", "ticket": _ticket(await tickets.find(session, entry.thread_id))}
    except TicketNotFound:
        row = await conversations.find(session, entry.thread_id)
        return {"thread": "conversation", "conversation": _conversation(row)}


def _message(entry: Entry) -> Json:
    """As the timeline of a ticket shows it."""
    return {
        "message_id": message_id_text(entry.id),
        "seq": entry.seq,
        "timestamp": entry.created_at,
        "sender_type": entry.author,
        "sender_name": entry.author_name,
        "agent_id": entry.author_id if entry.author == AuthorKind.AGENT else None,
        "content": entry.content,
        "content_type": entry.content_type,
        "visibility": entry.visibility,
        "attachments": entry.attachments,
        "metadata": entry.metadata,
        "event": entry.event,
    }


def _ticket(row: TicketRow) -> Json:
    ticket = row.ticket
    return {
        "ticket_id": ticket_id_text(ticket.id),
        "number": ticket.number,
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "tags": ticket.tags,
        "channel": ticket.channel,
        "assigned_agent_id": ticket.assigned_agent_id,
        "customer": {
            "internal_id": customer_id_text(row.customer.id),
            "name": row.customer.name,
            "primary_email": row.customer.email,
            "channel_identity": ticket.channel_identity,
        },
        "conversation_id": ticket.conversation_id,
        "created_at": ticket.created_at,
        "last_seq": row.thread.last_seq,
    }


def _conversation(row: ConversationRow) -> Json:
    conversation = row.conversation
    return {
        "conversation_id": conversation.id,
        "status": conversation.status,
        "agent_id": conversation.agent_id,
        "tags": conversation.tags,
        "customer": {
            "internal_id": customer_id_text(row.customer.id),
            "name": row.customer.name,
        },
        "ticket_id": ticket_id_text(conversation.ticket_id) if conversation.ticket_id else None,
        "created_at": conversation.created_at,
        "last_seq": row.thread.last_seq,
    }
