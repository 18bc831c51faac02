"""Tickets and messages in the words of seeds 000 and 001."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from domain.ids import message_id_text
from domain.models import AuthorKind, Priority, TicketStatus
from domain.presence import Presence, PresenceStatus, Show
from store.reading import Entry
from store.threads import Appended
from store.tickets import TicketRow, Written
from store.xmpp import PresenceOfJid

ASSISTANT = "AI Assistant"
SUPPORT = "Support Agent"
"""Of a reply by nobody in particular."""


class XmppStatus(StrEnum):
    OPEN = "OPEN"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


class XmppPriority(StrEnum):
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"


class MessageType(StrEnum):
    CUSTOMER = "CUSTOMER"
    AI = "AI"
    AGENT = "AGENT"


_FINISHED = {
    TicketStatus.RESOLVED: XmppStatus.RESOLVED,
    TicketStatus.CLOSED: XmppStatus.CLOSED,
}


class Received(BaseModel):
    """`ignored`: it was no message to us, and nothing was kept."""

    status: Literal["ok", "ignored"]
    ticket_id: int | None
    message_id: str | None
    created: bool = Field(description="It has opened the ticket.")


class ActiveTicket(BaseModel):
    ticket_id: str
    status: XmppStatus
    created_at: datetime


class PolledMessage(BaseModel):
    id: str
    seq: int
    content: str
    message_type: MessageType
    sender: str
    is_customer: bool
    timestamp: datetime


class PendingTicket(BaseModel):
    """`body` is the message that waits for an answer."""

    id: int
    from_jid: str
    subject: str
    body: str
    status: Literal["open", "resolved"]
    created_at: datetime


class Responded(BaseModel):
    status: Literal["ok"]
    ticket_id: int
    message: str
    message_id: str


class CreatedXmppTicket(BaseModel):
    success: bool
    ticket_id: UUID
    subject: str
    status: XmppStatus


class XmppTicket(BaseModel):
    id: UUID
    subject: str
    status: XmppStatus
    priority: XmppPriority
    jid: str | None
    created_at: datetime
    last_message: datetime = Field(description="When the newest public message was written.")


class SentXmppMessage(BaseModel):
    success: bool
    message_id: str
    timestamp: datetime
    ticket_id: UUID = Field(description="Another one than was asked for when that one is closed.")


class SyncedMessage(BaseModel):
    id: str
    seq: int
    content: str
    sender: str
    timestamp: datetime
    is_agent: bool


class SyncedXmppTicket(BaseModel):
    ticket_id: UUID
    status: XmppStatus
    subject: str
    messages: list[SyncedMessage]
    updated_at: datetime


class UpdatedPresence(BaseModel):
    success: bool
    jid: str
    status: PresenceStatus


class ResourcePresence(BaseModel):
    resource: str
    status: PresenceStatus
    show: Show | None


class PresenceOfPerson(BaseModel):
    """The most available of somebody's clients, and each; `unavailable` where none is known."""

    jid: str
    status: PresenceStatus
    show: Show | None
    resources: list[ResourcePresence]


def status_word(status: str) -> XmppStatus:
    return _FINISHED.get(TicketStatus(status), XmppStatus.OPEN)


def statuses_of(word: XmppStatus) -> frozenset[TicketStatus]:
    return frozenset(status for status in TicketStatus if status_word(status) is word)


def received(row: TicketRow, entry: Appended) -> Received:
    # The first message of a ticket is the one that has opened it, and so it stays when it is
    # received for a second time.
    return Received(
        status="ok",
        ticket_id=row.ticket.number,
        message_id=message_id_text(entry.id),
        created=entry.seq == 1,
    )


def active_ticket(row: TicketRow) -> ActiveTicket:
    return ActiveTicket(
        ticket_id=str(row.ticket.number),
        status=status_word(row.ticket.status),
        created_at=row.ticket.created_at,
    )


def polled_message(row: TicketRow, entry: Entry) -> PolledMessage:
    kind = MessageType(entry.author.upper())
    is_customer = kind is MessageType.CUSTOMER
    jid = row.ticket.channel_identity or entry.author_name or "customer"
    return PolledMessage(
        id=message_id_text(entry.id),
        seq=entry.seq,
        content=entry.content,
        message_type=kind,
        sender=jid if is_customer else _our_name(entry),
        is_customer=is_customer,
        timestamp=entry.created_at,
    )


def pending_ticket(row: TicketRow, entry: Entry) -> PendingTicket:
    ticket = row.ticket
    return PendingTicket(
        id=ticket.number,
        from_jid=_full_jid(ticket.channel_identity or "", entry.metadata),
        subject=ticket.subject,
        body=entry.content,
        status="resolved" if ticket.status == TicketStatus.RESOLVED else "open",
        created_at=ticket.created_at,
    )


def created_ticket(row: TicketRow) -> CreatedXmppTicket:
    return CreatedXmppTicket(
        success=True,
        ticket_id=row.ticket.id,
        subject=row.ticket.subject,
        status=status_word(row.ticket.status),
    )


def sent_message(written: Written) -> SentXmppMessage:
    return SentXmppMessage(
        success=True,
        message_id=message_id_text(written.entry.id),
        timestamp=written.entry.created_at,
        ticket_id=written.ticket_id,
    )


def xmpp_ticket(row: TicketRow, newest: Entry | None) -> XmppTicket:
    ticket = row.ticket
    return XmppTicket(
        id=ticket.id,
        subject=ticket.subject,
        status=status_word(ticket.status),
        priority=_priority_word(ticket.priority),
        jid=ticket.channel_identity,
        created_at=ticket.created_at,
        last_message=newest.created_at if newest else ticket.created_at,
    )


def synced_message(entry: Entry) -> SyncedMessage:
    is_agent = entry.author != AuthorKind.CUSTOMER
    return SyncedMessage(
        id=message_id_text(entry.id),
        seq=entry.seq,
        content=entry.content,
        sender=_our_name(entry) if is_agent else "You",
        timestamp=entry.created_at,
        is_agent=is_agent,
    )


def presence_of(said: PresenceOfJid) -> Presence:
    """What a client says of itself; a `show` that is none of XMPP's says nothing."""
    show = next((known for known in Show if known == said.show), None)
    return Presence(status=PresenceStatus(said.status), show=show)


def _our_name(entry: Entry) -> str:
    return ASSISTANT if entry.author == AuthorKind.AI else entry.author_name or SUPPORT


def _priority_word(priority: str) -> XmppPriority:
    if priority == Priority.MEDIUM:
        return XmppPriority.NORMAL
    return XmppPriority(priority.upper())


def _full_jid(bare_jid: str, metadata: Mapping[str, Any]) -> str:
    """With the device from which it was written. Who it was, metadata does not say: anybody who
    writes over the API chooses it."""
    resource = metadata.get("resource")
    return f"{bare_jid}/{resource}" if isinstance(resource, str) and resource else bare_jid
