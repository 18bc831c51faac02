"""Seed 003: what agents do in one live conversation."""

from datetime import datetime
from uuid import UUID

from fastapi import Response

from api import chat_actions
from api.access import Caller
from api.chat_access import Acting, acting_agent, visible
from api.chat_actions import Words, nudge, order, say
from api.chat_agents import DESK
from api.chat_bodies import AgentBody, AgentMessage, AgentNamed, CloseAsAgent, TransferTo
from api.chat_handover import hand_over
from api.chat_reading import (
    DEFAULT_LIMIT,
    AfterSeq,
    ConversationId,
    Limit,
    detail_of,
    messages_of,
)
from api.chat_views import (
    ChatModel,
    ConversationDetail,
    ConversationView,
    MessageView,
    conversation_view,
    message_view,
)
from api.errors import describe
from api.idempotency import Once
from api.ownership import require_agent
from api.routes import Routes
from api.services import Services, ServicesDep
from api.views import TicketView
from domain.conversation_life import Accept, Release, Transfer
from domain.conversation_rules import waiting_for
from domain.errors import (
    AgentIsFull,
    ConversationIsClosed,
    ConversationNotFound,
    ConversationTaken,
    EngineUnavailable,
    IdempotencyKeyReused,
    NotAccepted,
    NotAssigned,
    UnknownAgent,
    UnknownAttachment,
    WrongTeam,
)
from domain.models import ThreadKind, ThreadRef, Visibility
from domain.principals import Principal
from store import conversations

router = Routes(
    prefix="/api/agent/conversations/{conversation_id}",
    tags=["Live chat: agents"],
    malformed=400,
    dependencies=[DESK],
)


class WhatComes(ChatModel):
    what: str
    at: datetime


class Process(ChatModel):
    """What a conversation waits for, as its workflow says."""

    status: str
    waiting_for: str
    alarms: list[WhatComes]
    handled_seq: int


@router.get("", responses=describe(ConversationNotFound))
async def get_conversation(
    conversation_id: ConversationId, caller: Caller, services: ServicesDep
) -> ConversationDetail:
    async with services.database.begin() as session:
        return await detail_of(session, caller, conversation_id)


@router.get("/messages", responses=describe(ConversationNotFound))
async def list_messages(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    limit: Limit = DEFAULT_LIMIT,
    after_seq: AfterSeq = None,
) -> list[MessageView]:
    """What was said, in its order, with the agents' private notes."""
    async with services.database.begin() as session:
        return await messages_of(session, caller, conversation_id, limit, after_seq)


@router.post(
    "/accept",
    responses=describe(
        ConversationNotFound,
        ConversationTaken,
        AgentIsFull,
        WrongTeam,
        ConversationIsClosed,
        UnknownAgent,
        EngineUnavailable,
    ),
)
async def accept(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    body: AgentNamed | None = None,
) -> ConversationView:
    """Take a customer who waits. Of agents who want the same one, one gets it.

    An agent needs every tag of the conversation that any agent carries; an admin needs none.
    """
    body = body or AgentNamed()
    async with services.database.begin() as session:
        acting = await acting_agent(session, caller, body.agent_id, body.display_name)
    command = Accept(agent_id=acting.agent_id, any_team=acting.everywhere)
    row = await order(services, caller, conversation_id, command, by=acting.agent_id)
    return conversation_view(row)


@router.post(
    "/messages",
    status_code=201,
    response_model=MessageView,
    responses=describe(
        ConversationNotFound,
        ConversationIsClosed,
        NotAssigned,
        UnknownAgent,
        UnknownAttachment,
        IdempotencyKeyReused,
    ),
)
async def send_message(
    conversation_id: ConversationId,
    body: AgentMessage,
    caller: Caller,
    services: ServicesDep,
    once: Once,
) -> Response:
    """Write to the customer, or a private note for agents."""
    words = Words(body.content, body.metadata, body.visibility, once.key, body.attachments)
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        acting = await acting_agent(session, caller, body.agent_id)
        said = await say(session, caller, acting, conversation_id, words)
        response = await once.answer(session, 201, message_view(said.entry))
    if said.nudge:
        nudge(services, conversation_id)
    return response


@router.post(
    "/close",
    responses=describe(ConversationNotFound, NotAssigned, UnknownAgent, EngineUnavailable),
)
async def close(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    body: CloseAsAgent | None = None,
) -> ConversationView:
    acting = await _acting(services, caller, conversation_id, body)
    reason = body.reason if body else None
    return await chat_actions.close(services, caller, acting, conversation_id, reason)


@router.post(
    "/transfer",
    responses=describe(
        ConversationNotFound,
        ConversationIsClosed,
        NotAssigned,
        UnknownAgent,
        AgentIsFull,
        EngineUnavailable,
    ),
)
async def transfer(
    conversation_id: ConversationId, body: TransferTo, caller: Caller, services: ServicesDep
) -> ConversationView:
    """Hand the conversation on to another agent, whatever their tags."""
    acting = await _acting(services, caller, conversation_id, body)
    async with services.database.begin() as session:
        await require_agent(session, body.to_agent_id)
        row = await conversations.find(session, conversation_id)
    by, note = acting.agent_id, body.note
    if note is not None and by == body.to_agent_id == row.conversation.agent_id:
        # Nothing is handed on, so no command takes the note along.
        await _keep_note(services, caller, acting, conversation_id, note)
    command = Transfer(to_agent_id=body.to_agent_id, agent_id=acting.only)
    row = await order(services, caller, conversation_id, command, by=by, said=note)
    return conversation_view(row)


@router.post(
    "/release",
    responses=describe(
        ConversationNotFound,
        ConversationIsClosed,
        NotAssigned,
        NotAccepted,
        UnknownAgent,
        EngineUnavailable,
    ),
)
async def release(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    body: AgentBody | None = None,
) -> ConversationView:
    """Give the conversation back to the queue, where it keeps its place by age."""
    acting = await _acting(services, caller, conversation_id, body)
    command = Release(agent_id=acting.only)
    row = await order(services, caller, conversation_id, command, by=acting.agent_id)
    return conversation_view(row)


@router.post(
    "/to-ticket",
    response_model=TicketView,
    responses=describe(
        ConversationNotFound,
        ConversationIsClosed,
        NotAssigned,
        UnknownAgent,
        EngineUnavailable,
        IdempotencyKeyReused,
    ),
)
async def to_ticket(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    once: Once,
    body: AgentBody | None = None,
) -> Response:
    """Close the conversation and go on with it as a ticket."""
    async with services.database.begin() as session:
        if answer := await once.known(session):
            return answer
    acting = await _acting(services, caller, conversation_id, body)
    return await hand_over(services, caller, acting, conversation_id, once)


@router.get("/process", responses=describe(ConversationNotFound, EngineUnavailable))
async def get_process(
    conversation_id: ConversationId, caller: Caller, services: ServicesDep
) -> Process:
    """What the conversation waits for, and what will happen by itself."""
    async with services.database.begin() as session:
        row = await visible(session, caller, conversation_id)
    if row.thread.open:
        thread = ThreadRef(kind=ThreadKind.CONVERSATION, id=conversation_id)
        process = await services.engine.process(thread)
        return Process.model_validate(process, from_attributes=True)
    # Its workflow has ended, and Temporal forgets it in time.
    state = conversations.state_of(row)
    return Process(
        status=state.stage,
        waiting_for=waiting_for(state),
        alarms=[],
        handled_seq=row.thread.handled_seq,
    )


async def _keep_note(
    services: Services, caller: Principal, acting: Acting, conversation_id: UUID, note: str
) -> None:
    words = Words(note, visibility=Visibility.PRIVATE)
    async with services.database.begin() as session:
        said = await say(session, caller, acting, conversation_id, words)
    if said.nudge:
        nudge(services, conversation_id)


async def _acting(
    services: Services, caller: Principal, conversation_id: UUID, body: AgentBody | None
) -> Acting:
    """Raises ConversationNotFound before anything else."""
    async with services.database.begin() as session:
        await visible(session, caller, conversation_id)
        return await acting_agent(session, caller, body.agent_id if body else None)
