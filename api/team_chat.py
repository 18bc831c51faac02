"""Seed 002: what colleagues write to each other, who is there, and with whom they often speak.

Over a socket the same, and live: see `api.socket_team` and `api.team_inbox`.
"""

from typing import Annotated, Any

from fastapi import Body, Path, Query, Response
from pydantic import BaseModel

from api.access import Caller
from api.errors import describe
from api.idempotency import Once, json_answer
from api.routes import Routes
from api.services import ServicesDep
from api.team_access import PLAIN, STAFF
from api.team_bodies import LARGEST_ID, AddContact, MarkRead, SendMessage
from api.team_views import (
    Contacts,
    ContactView,
    Done,
    MarkedRead,
    SentMessage,
    TeamMessages,
    UnreadView,
    Users,
    contact_view,
    sent_view,
    team_message,
    unread_view,
    user_view,
)
from domain.errors import ContactNotFound, HoldfastError, IdempotencyKeyReused, UserNotFound
from domain.text import IdText
from store import team_chat, team_presence
from store.team_chat import Draft

router = Routes(prefix="/api/chat", tags=["Team chat"], words=PLAIN, dependencies=[STAFF])

UserIdPath = Annotated[IdText, Path(description="As in the token's `sub`; a number, or text.")]
MessageIdQuery = Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="A message's id.")]
Many = Annotated[int, Query(ge=1, le=1_000)]
Limit = Annotated[int, Query(ge=1, le=100)]


def _known(*errors: type[HoldfastError]) -> dict[int | str, dict[str, Any]]:
    return describe(*errors, words=PLAIN)


@router.get("/users/online", response_model=Users)
async def list_users(caller: Caller, services: ServicesDep, limit: Many = 500) -> Response:
    """All colleagues, those who were active last first, and how available they are.

    `online`: a socket is open, or they called within 2 minutes; `away`: within 5; else `offline`.
    `busy`, `away` and `offline` also when they say so, while they are there.
    """
    async with services.database.reading() as session:
        found = await team_presence.colleagues(session, caller.id, limit)
    return json_answer(Users([user_view(each) for each in found]))


@router.post(
    "/messages",
    status_code=201,
    response_model=SentMessage,
    responses=_known(UserNotFound, IdempotencyKeyReused),
)
async def send_message(
    body: SendMessage, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Write to a colleague. It reaches them at once on every socket of theirs: `new_message`."""
    draft = Draft(
        sender_id=caller.id,
        receiver_id=body.receiver_id,
        message=body.message,
        message_type=body.type,
        client_id=once.key,
    )
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        sent = await team_chat.send(session, draft)
        return await once.answer(session, 201, sent_view(sent))


@router.get("/messages/{user_id:path}", response_model=TeamMessages, responses=_known(UserNotFound))
async def list_messages(
    user_id: UserIdPath,
    caller: Caller,
    services: ServicesDep,
    before: MessageIdQuery = None,
    after: MessageIdQuery = None,
    limit: Limit = 50,
) -> Response:
    """What the caller and a colleague wrote to each other, in its order.

    The newest `limit`, or the newest of those before `before`, or the first that follow `after`.
    """
    async with services.database.reading() as session:
        found = await team_chat.history(
            session, caller.id, user_id, before_id=before, after_id=after, limit=limit
        )
    return json_answer(TeamMessages([team_message(each) for each in found]))


@router.post(
    "/messages/{user_id:path}/read", response_model=MarkedRead, responses=_known(UserNotFound)
)
async def mark_read(
    user_id: UserIdPath,
    caller: Caller,
    services: ServicesDep,
    body: Annotated[MarkRead | None, Body()] = None,
) -> Response:
    """Have read what a colleague wrote, all of it or up to a message. They see `message_read`."""
    up_to = body.up_to if body else None
    async with services.database.begin() as session:
        newest = await team_chat.mark_read(session, caller.id, user_id, up_to)
    return json_answer(MarkedRead(up_to=newest))


@router.get("/unread", response_model=UnreadView)
async def count_unread(caller: Caller, services: ServicesDep) -> Response:
    """How much the caller has not read, by colleague."""
    async with services.database.reading() as session:
        return json_answer(unread_view(await team_chat.unread(session, caller.id)))


@router.get("/contacts/frequent", response_model=Contacts)
async def list_contacts(caller: Caller, services: ServicesDep, limit: Limit = 50) -> Response:
    """With whom the caller wrote last, and whom they have added."""
    async with services.database.reading() as session:
        found = await team_chat.frequent_contacts(session, caller.id, limit)
    return json_answer(Contacts([contact_view(each) for each in found]))


@router.post(
    "/contacts/frequent",
    status_code=201,
    response_model=ContactView,
    responses=_known(UserNotFound, IdempotencyKeyReused),
)
async def add_contact(
    body: AddContact, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Put a colleague first among the contacts."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        contact = await team_chat.add_contact(session, caller.id, body.contact_id)
        return await once.answer(session, 201, contact_view(contact))


@router.delete(
    "/contacts/frequent/{contact_id:path}",
    response_model=Done,
    responses=_known(ContactNotFound),
)
async def remove_contact(
    contact_id: UserIdPath, caller: Caller, services: ServicesDep
) -> BaseModel:
    """Take a colleague out of the contacts, until they write to each other again."""
    async with services.database.begin() as session:
        if not await team_chat.remove_contact(session, caller.id, contact_id):
            raise ContactNotFound
    return Done()
