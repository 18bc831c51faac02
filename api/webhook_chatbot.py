"""Seed 004: a chatbot hands a customer over to people."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from fastapi import Response
from pydantic import BaseModel, Field

from api.access import allow
from api.errors import describe
from api.idempotency import Attempt, Once
from api.routes import Routes
from api.services import ServicesDep
from api.ticket_bodies import OptionalEmail, OptionalText, PriorityIn, Tags
from api.tickets import nudge
from domain.errors import IdempotencyKeyReused
from domain.ids import ticket_id_text
from domain.models import AuthorKind, Channel, Priority
from domain.principals import Role, Scope
from domain.text import IdText, MessageText, Metadata, SubjectText
from store import handoffs, tickets
from store.handoffs import HandOff
from store.threads import Draft
from workflows.engine import NewTicketFacts

BOT_NAME = "Chatbot"
MAX_TRANSCRIPT = 200

router = Routes(prefix="/api/webhooks", tags=["Webhooks"])


class Speaker(StrEnum):
    CUSTOMER = "customer"
    BOT = "bot"


class TranscriptEntry(BaseModel):
    sender: Speaker
    text: MessageText
    timestamp: datetime | None = None


class HandOffIn(BaseModel):
    session_id: IdText = Field(description="The same again: its open ticket is written on.")
    customer_email: OptionalEmail = Field(None, description="Finds a customer who is known.")
    customer_name: OptionalText = None
    customer_phone: OptionalText = None
    subject: SubjectText
    initial_message: MessageText
    priority: PriorityIn = Priority.MEDIUM
    tags: Tags = Field(default_factory=list)
    transcript: list[TranscriptEntry] = Field(
        default_factory=list,
        max_length=MAX_TRANSCRIPT,
        description="All that was said before, the oldest first. When a session is handed over "
        "again, what is new is taken from it: entries are told apart by their places.",
    )
    metadata: Metadata = Field(default_factory=dict)


class HandedOff(BaseModel):
    success: bool
    ticket_id: str
    message: str = Field(description="For the customer.")


@router.post(
    "/chatbot",
    response_model=HandedOff,
    dependencies=[allow(Role.ADMIN, Scope.HANDOFF)],
    responses=describe(IdempotencyKeyReused),
)
async def take_from_chatbot(body: HandOffIn, services: ServicesDep, once: Once) -> Response:
    """Open a ticket for a chatbot's session, or write on in the one that is open.

    It is left to people: the assistant does not speak in it.
    """
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        handed = await handoffs.take(session, _hand_off(body, once), services.config.policy)
        row = await tickets.find(session, handed.written.ticket_id)
        told = _told(ticket_id_text(row.ticket.id), opened=handed.opened)
        response = await once.answer(session, 200, told)
    facts = NewTicketFacts(row.ticket.number, Channel.CHATBOT, Priority(row.ticket.priority))
    nudge(services, handed.written, facts if handed.opened else None)
    return response


def _hand_off(body: HandOffIn, once: Attempt) -> HandOff:
    return HandOff(
        session_id=body.session_id,
        subject=body.subject,
        message=Draft(
            author=AuthorKind.CUSTOMER,
            content=body.initial_message,
            metadata=body.metadata,
            source=once.source,
            external_id=once.key,
        ),
        transcript=[_draft(body.session_id, *each) for each in enumerate(body.transcript)],
        priority=body.priority,
        tags=tuple(body.tags),
        name=body.customer_name,
        email=body.customer_email,
        phone=body.customer_phone,
    )


def _draft(session_id: str, place: int, entry: TranscriptEntry) -> Draft:
    by_bot = entry.sender is Speaker.BOT
    return Draft(
        author=AuthorKind.AI if by_bot else AuthorKind.CUSTOMER,
        author_name=BOT_NAME if by_bot else None,
        content=entry.text,
        metadata={"transcript": True} | _sent_at(entry),
        source=handoffs.SOURCE,
        external_id=f"{session_id}/{place}",
    )


def _sent_at(entry: TranscriptEntry) -> dict[str, Any]:
    return {"sent_at": entry.timestamp.isoformat()} if entry.timestamp else {}


def _told(ticket_id: str, *, opened: bool) -> HandedOff:
    done = f"Ticket #{ticket_id} created." if opened else f"Added to ticket #{ticket_id}."
    return HandedOff(
        success=True, ticket_id=ticket_id, message=f"{done} An agent will respond shortly."
    )
