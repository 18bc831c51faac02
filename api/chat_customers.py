"""Seed 003: live chat for customers, with the token of their visit or of their account."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from api import chat_actions
from api.access import Caller, allow, allow_anybody
from api.call import Call, call_of
from api.chat_access import visible
from api.chat_actions import Words, nudge, order, say
from api.chat_bodies import CloseConversation, CustomerMessage, LeaveAsTicket, StartSession
from api.chat_handover import hand_over
from api.chat_reading import (
    DEFAULT_LIMIT,
    AfterSeq,
    ConversationId,
    Limit,
    detail_of,
    messages_of,
    view_for,
)
from api.chat_sessions import start_session
from api.chat_views import (
    ChatModel,
    ConversationDetail,
    ConversationView,
    MessageView,
    message_view,
)
from api.errors import describe
from api.idempotency import Once, OnceByAnybody, json_answer
from api.routes import Routes
from api.services import ServicesDep
from api.views import TicketView
from domain.conversation_life import GoOnWithAssistant
from domain.errors import (
    ConversationIsClosed,
    ConversationNotFound,
    EngineUnavailable,
    IdempotencyKeyReused,
    NoAssistant,
    UnknownAttachment,
)
from domain.ids import customer_id_text, parse_customer_id
from domain.models import ConversationStatus
from domain.principals import Role
from store import conversations
from workflows.engine import NewConversationFacts

CUSTOMERS = allow(Role.VISITOR, Role.CUSTOMER)

router = Routes(prefix="/api/customer", tags=["Live chat: customers"], malformed=400)


async def _call(request: Request) -> Call:
    return call_of(request.scope)


class _Begun(ChatModel):
    """A session but for its token, which is kept nowhere."""

    conversation_id: UUID
    status: ConversationStatus
    visitor_id: str
    last_seq: int


class Session(_Begun):
    token: str
    expires_at: datetime


@router.post(
    "/sessions",
    response_model=Session,
    dependencies=[allow_anybody()],
    responses=describe(IdempotencyKeyReused),
)
async def start(
    services: ServicesDep,
    call: Annotated[Call, Depends(_call)],
    once: OnceByAnybody,
    body: StartSession | None = None,
) -> Response:
    """Come to chat, or come back.

    With the token of an earlier session, or with a customer's JWT, the open conversation is
    resumed. Anybody else is a new visitor, ten of whom may come from an address in a minute.

    Without a token an `Idempotency-Key` is all by which a call that is sent again is known: whoever
    has it, and the address, gets a token of the same visitor for five minutes. Make it random.
    """
    nudged: UUID | None = None
    async with services.database.begin() as session:
        kept = await once.claim(session)
        if kept is not None:
            begun = _Begun.model_validate_json(kept.body)
        else:
            row, started = await start_session(session, services, call, body or StartSession())
            begun = _Begun(
                conversation_id=row.conversation.id,
                status=ConversationStatus(row.conversation.status),
                visitor_id=customer_id_text(row.customer.id),
                last_seq=row.thread.last_seq,
            )
            await once.keep(session, 200, begun)
            nudged = started.conversation_id if started.nudge else None
    if nudged is not None:
        nudge(services, nudged, NewConversationFacts())
    visitor = services.authenticator.visitors.issue(parse_customer_id(begun.visitor_id))
    return json_answer(Session(**dict(begun), token=visitor.token, expires_at=visitor.expires_at))


@router.get(
    "/conversations/{conversation_id}",
    dependencies=[CUSTOMERS],
    responses=describe(ConversationNotFound),
)
async def get_conversation(
    conversation_id: ConversationId, caller: Caller, services: ServicesDep
) -> ConversationDetail:
    async with services.database.begin() as session:
        return await detail_of(session, caller, conversation_id)


@router.post(
    "/conversations/{conversation_id}/messages",
    status_code=201,
    response_model=MessageView,
    dependencies=[CUSTOMERS],
    responses=describe(
        ConversationNotFound, ConversationIsClosed, UnknownAttachment, IdempotencyKeyReused
    ),
)
async def send_message(
    conversation_id: ConversationId,
    body: CustomerMessage,
    caller: Caller,
    services: ServicesDep,
    once: Once,
) -> Response:
    await services.count_message(caller)
    words = Words(body.content, body.metadata, external_id=once.key, attachments=body.attachments)
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        said = await say(session, caller, None, conversation_id, words)
        response = await once.answer(session, 201, message_view(said.entry))
    if said.nudge:
        nudge(services, conversation_id)
    return response


@router.get(
    "/conversations/{conversation_id}/messages",
    dependencies=[CUSTOMERS],
    responses=describe(ConversationNotFound),
)
async def list_messages(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    limit: Limit = DEFAULT_LIMIT,
    after_seq: AfterSeq = None,
) -> list[MessageView]:
    """What was said, in its order, also when the conversation is closed."""
    async with services.database.begin() as session:
        return await messages_of(session, caller, conversation_id, limit, after_seq)


@router.post(
    "/conversations/{conversation_id}/close",
    dependencies=[CUSTOMERS],
    responses=describe(ConversationNotFound, EngineUnavailable),
)
async def close(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    body: CloseConversation | None = None,
) -> ConversationView:
    reason = body.reason if body else None
    return await chat_actions.close(services, caller, None, conversation_id, reason)


@router.post(
    "/conversations/{conversation_id}/to-ticket",
    response_model=TicketView,
    dependencies=[CUSTOMERS],
    responses=describe(
        ConversationNotFound, ConversationIsClosed, EngineUnavailable, IdempotencyKeyReused
    ),
)
async def leave_as_ticket(
    conversation_id: ConversationId,
    caller: Caller,
    services: ServicesDep,
    once: Once,
    body: LeaveAsTicket | None = None,
) -> Response:
    """Not wait any longer: the conversation goes on as a ticket."""
    async with services.database.begin() as session:
        if answer := await once.known(session):
            return answer
        if body is not None and body.email is not None:
            row = await visible(session, caller, conversation_id, lock=True)
            if row.thread.open:
                await conversations.set_contact_email(session, conversation_id, body.email)
    return await hand_over(services, caller, None, conversation_id, once)


@router.post(
    "/conversations/{conversation_id}/assistant",
    dependencies=[CUSTOMERS],
    responses=describe(ConversationNotFound, ConversationIsClosed, NoAssistant, EngineUnavailable),
)
async def go_on_with_assistant(
    conversation_id: ConversationId, caller: Caller, services: ServicesDep
) -> ConversationView:
    """Not wait for a person."""
    row = await order(services, caller, conversation_id, GoOnWithAssistant())
    async with services.database.reading() as session:
        return await view_for(session, caller, row)
