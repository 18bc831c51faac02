"""What the assistant suggests to agents. Nothing of it is sent by itself, or kept."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Path
from pydantic import BaseModel

from api.access import allow
from api.errors import describe
from api.routes import Routes
from api.services import Services, ServicesDep
from assistant.advice import Adviser, Given, SuggestedReply, advise
from assistant.case import Case
from domain.errors import ConversationNotFound, TicketNotFound
from domain.ids import article_id_text, parse_conversation_id, parse_ticket_ref
from domain.models import Priority, ThreadKind, ThreadRef
from domain.principals import Role, Scope
from store import case_files, conversations, tickets
from store.case_files import OwnRecords, PublicLibrary

STAFF = allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)
TicketId = Annotated[str, Path(description="Any of its three spellings.")]
ConversationId = Annotated[str, Path(description="The conversation's UUID.")]
Advice = TypeVar("Advice")


class SourceView(BaseModel):
    id: str
    title: str


class SuggestedReplyView(BaseModel):
    """`by` is `built-in`, or the model's name."""

    reply: str
    sources: list[SourceView]
    by: str


class SummaryView(BaseModel):
    summary: str
    by: str


class SubjectView(BaseModel):
    subject: str
    by: str


class TriageView(BaseModel):
    tags: list[str]
    priority: Priority
    by: str


router = Routes(
    prefix="/api/tickets/{ticket_id}/suggestions", tags=["Suggestions"], dependencies=[STAFF]
)
chat_router = Routes(
    malformed=400,
    prefix="/api/agent/conversations/{conversation_id}/suggestions",
    tags=["Suggestions"],
    dependencies=[STAFF],
)


@router.post("/reply", responses=describe(TicketNotFound))
async def suggest_ticket_reply(ticket_id: TicketId, services: ServicesDep) -> SuggestedReplyView:
    """Say what an agent could answer."""
    case = await _of_ticket(services, ticket_id)
    return _reply(await _ask(services, lambda adviser: adviser.reply(case)))


@router.post("/summary", responses=describe(TicketNotFound))
async def summarise_ticket(ticket_id: TicketId, services: ServicesDep) -> SummaryView:
    """Say what happened so far."""
    case = await _of_ticket(services, ticket_id)
    given = await _ask(services, lambda adviser: adviser.summary(case))
    return SummaryView(summary=given.advice, by=given.by)


@router.post("/subject", responses=describe(TicketNotFound))
async def suggest_subject(ticket_id: TicketId, services: ServicesDep) -> SubjectView:
    """Name the matter in a few words."""
    case = await _of_ticket(services, ticket_id)
    given = await _ask(services, lambda adviser: adviser.subject(case))
    return SubjectView(subject=given.advice, by=given.by)


@router.post("/triage", responses=describe(TicketNotFound))
async def suggest_triage(ticket_id: TicketId, services: ServicesDep) -> TriageView:
    """Suggest tags and a priority."""
    case = await _of_ticket(services, ticket_id)
    given = await _ask(services, lambda adviser: adviser.triage(case))
    triage = given.advice
    return TriageView(tags=list(triage.tags), priority=triage.priority, by=given.by)


@chat_router.post("/reply", responses=describe(ConversationNotFound))
async def suggest_chat_reply(
    conversation_id: ConversationId, services: ServicesDep
) -> SuggestedReplyView:
    """Say what an agent could answer."""
    case = await _of_conversation(services, conversation_id)
    return _reply(await _ask(services, lambda adviser: adviser.reply(case)))


@chat_router.post("/summary", responses=describe(ConversationNotFound))
async def summarise_chat(conversation_id: ConversationId, services: ServicesDep) -> SummaryView:
    """Say what happened so far."""
    case = await _of_conversation(services, conversation_id)
    given = await _ask(services, lambda adviser: adviser.summary(case))
    return SummaryView(summary=given.advice, by=given.by)


async def _ask(services: Services, ask: Callable[[Adviser], Awaitable[Advice]]) -> Given[Advice]:
    return await advise(services.helpers.adviser, ask)


async def _of_ticket(services: Services, ticket_id: str) -> Case:
    """Raises TicketNotFound."""
    async with services.database.reading() as session:
        row = await tickets.find(session, parse_ticket_ref(ticket_id))
    return await _case(services, ThreadRef(kind=ThreadKind.TICKET, id=row.ticket.id))


async def _of_conversation(services: Services, conversation_id: str) -> Case:
    """Raises ConversationNotFound."""
    wanted = parse_conversation_id(conversation_id)
    async with services.database.reading() as session:
        await conversations.find(session, wanted)
    return await _case(services, ThreadRef(kind=ThreadKind.CONVERSATION, id=wanted))


async def _case(services: Services, thread: ThreadRef) -> Case:
    async with services.database.reading() as session:
        file = await case_files.read(session, thread)
    return Case(
        file.turns,
        PublicLibrary(services.database, services.helpers.meanings),
        OwnRecords(services.database, file.customer_id),
        file.title,
        file.customer_name,
    )


def _reply(given: Given[SuggestedReply]) -> SuggestedReplyView:
    return SuggestedReplyView(
        reply=given.advice.text,
        sources=[
            SourceView(id=article_id_text(article.id), title=article.title)
            for article in given.advice.sources
        ],
        by=given.by,
    )
