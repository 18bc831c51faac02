"""Tickets as seed 004 shows them, to staff and to customers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.attachment_bodies import shown
from domain.deadlines import Deadlines
from domain.ids import customer_id_text, message_id_text, ticket_id_text
from domain.models import (
    AuthorKind,
    Channel,
    DeliveryState,
    Priority,
    TicketStatus,
    Visibility,
)
from domain.presence import Presence
from store.deliveries import Progress
from store.reading import Entry
from store.tickets import TicketRow

_DEADLINES = TypeAdapter(Deadlines)


class DeliveryView(BaseModel):
    """How far a reply has come on its way to the customer's address."""

    state: DeliveryState
    attempts: int
    error: str | None = Field(description="Why it has not arrived, or not yet.")
    at: datetime = Field(description="Since when.")


class TimelineEntry(BaseModel):
    """One message, note or system event."""

    message_id: str
    seq: int
    timestamp: datetime
    sender_type: AuthorKind
    sender_name: str | None
    agent_id: str | None
    content: str
    content_type: str
    visibility: Visibility
    attachments: list[dict[str, Any]]
    metadata: dict[str, Any]
    event: dict[str, Any] | None = Field(description="What happened, of a system event.")
    delivery: DeliveryView | None = Field(
        description="For staff, of a reply that goes out to where the customer is."
    )


class SourceView(BaseModel):
    channel: Channel
    origin_platform_id: str | None
    is_bot_handoff: bool


class CustomerOfTicket(BaseModel):
    internal_id: str
    name: str | None
    primary_email: str | None
    channel_identity: str | None
    presence: Presence | None = Field(
        description="Of an XMPP ticket, for staff: of the customer's clients the most available."
    )


class TicketView(BaseModel):
    """A ticket. `timeline` holds the newest entries, the oldest of them first."""

    model_config = ConfigDict(title="Ticket")

    ticket_id: str
    number: int
    created_at: datetime
    updated_at: datetime
    status: TicketStatus
    priority: Priority
    assigned_agent_id: str | None
    tags: list[str]
    source: SourceView
    customer: CustomerOfTicket
    subject: str
    snoozed_until: datetime | None
    deadlines: Deadlines
    breached: bool
    follow_up_of: str | None
    conversation_id: UUID | None = Field(description="The live conversation that it goes on from.")
    last_seq: int
    timeline: list[TimelineEntry]


class AssignedView(BaseModel):
    success: bool
    ticket: TicketView


class TicketPage(BaseModel):
    tickets: list[TicketView] = Field(
        description="Each with the newest message only; ask for the ticket to see them all."
    )
    total_count: int
    page: int
    page_size: int


class LastAgentMessage(BaseModel):
    message_id: str
    timestamp: datetime
    content: str


class TicketStatusView(BaseModel):
    ticket_id: str
    status: TicketStatus
    last_updated: datetime
    has_agent_reply: bool
    last_agent_message: LastAgentMessage | None


class CustomerTicket(BaseModel):
    ticket_id: str
    number: int
    subject: str
    status: TicketStatus
    priority: Priority
    created_at: datetime
    updated_at: datetime


class IdentityView(BaseModel):
    channel: Channel
    identity: str


class CustomerView(BaseModel):
    customer_id: str
    status: Literal["active", "merged", "erased"]
    name: str | None
    primary_email: str | None
    phone: str | None
    created_at: datetime
    identities: list[IdentityView] | None = Field(
        description="By what names the channels know them. For staff, like what follows."
    )
    merged_into: str | None = Field(description="Who they turned out to be.")
    erased_at: datetime | None


def delivery_view(progress: Progress) -> DeliveryView:
    return DeliveryView(
        state=progress.state, attempts=progress.attempts, error=progress.error, at=progress.at
    )


def timeline_entry(entry: Entry, progress: Progress | None = None) -> TimelineEntry:
    return TimelineEntry.model_construct(
        message_id=message_id_text(entry.id),
        seq=entry.seq,
        timestamp=entry.created_at,
        sender_type=AuthorKind(entry.author),
        sender_name=entry.author_name,
        agent_id=entry.author_id if entry.author == AuthorKind.AGENT else None,
        content=entry.content,
        content_type=entry.content_type,
        visibility=Visibility(entry.visibility),
        attachments=shown(entry.attachments),
        metadata=entry.metadata,
        event=entry.event,
        delivery=delivery_view(progress) if progress else None,
    )


def ticket_view(
    row: TicketRow,
    timeline: Iterable[Entry],
    *,
    internal: bool,
    presence: Presence | None = None,
    progress: Mapping[int, Progress] = MappingProxyType({}),
) -> TicketView:
    """`internal`: also what customers need not know, which is how we keep our promises."""
    ticket, thread, customer = row.ticket, row.thread, row.customer
    return TicketView(
        ticket_id=ticket_id_text(ticket.id),
        number=ticket.number,
        created_at=ticket.created_at,
        updated_at=thread.updated_at,
        status=TicketStatus(ticket.status),
        priority=Priority(ticket.priority),
        assigned_agent_id=ticket.assigned_agent_id,
        tags=ticket.tags,
        source=SourceView(
            channel=Channel(ticket.channel),
            origin_platform_id=ticket.origin_platform_id,
            is_bot_handoff=ticket.is_bot_handoff,
        ),
        customer=CustomerOfTicket(
            internal_id=customer_id_text(customer.id),
            name=customer.name,
            primary_email=customer.email,
            channel_identity=ticket.channel_identity,
            presence=presence,
        ),
        subject=ticket.subject,
        snoozed_until=ticket.snoozed_until if internal else None,
        deadlines=_DEADLINES.validate_python(ticket.deadlines if internal else {}),
        breached=ticket.breached and internal,
        follow_up_of=ticket_id_text(ticket.follow_up_of) if ticket.follow_up_of else None,
        conversation_id=ticket.conversation_id,
        last_seq=thread.last_seq,
        timeline=[timeline_entry(entry, progress.get(entry.seq)) for entry in timeline],
    )


def ticket_updated(row: TicketRow) -> dict[str, Any]:
    """What agents' lists are told of a ticket that has changed; JSON, like all events."""
    ticket, thread = row.ticket, row.thread
    return {
        "ticketId": ticket_id_text(ticket.id),
        "number": ticket.number,
        "status": ticket.status,
        "priority": ticket.priority,
        "assignedAgentId": ticket.assigned_agent_id,
        "subject": ticket.subject,
        "lastMessageAt": _instant(thread.last_message_at),
        "breached": ticket.breached,
        "snoozedUntil": _instant(ticket.snoozed_until) if ticket.snoozed_until else None,
        "lastSeq": thread.last_seq,
        "updatedAt": _instant(thread.updated_at),
    }


def status_view(row: TicketRow, reply: Entry | None) -> TicketStatusView:
    return TicketStatusView(
        ticket_id=ticket_id_text(row.ticket.id),
        status=TicketStatus(row.ticket.status),
        last_updated=row.thread.updated_at,
        has_agent_reply=reply is not None,
        last_agent_message=LastAgentMessage(
            message_id=message_id_text(reply.id), timestamp=reply.created_at, content=reply.content
        )
        if reply
        else None,
    )


def customer_ticket(row: TicketRow) -> CustomerTicket:
    return CustomerTicket(
        ticket_id=ticket_id_text(row.ticket.id),
        number=row.ticket.number,
        subject=row.ticket.subject,
        status=TicketStatus(row.ticket.status),
        priority=Priority(row.ticket.priority),
        created_at=row.ticket.created_at,
        updated_at=row.thread.updated_at,
    )


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
