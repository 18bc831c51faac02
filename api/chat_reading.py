"""What both sides of a live conversation read of it: its state and its messages."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api.chat_access import visible
from api.chat_views import (
    ConversationDetail,
    ConversationView,
    MessageView,
    conversation_view,
    message_view,
)
from api.discretion import reason_for_customers
from domain.ids import parse_conversation_id
from domain.models import EventType
from domain.principals import Principal
from store import read_marks, reading
from store.conversations import ConversationRow


async def _conversation_id(
    conversation_id: Annotated[str, Path(description="A UUID.")],
) -> UUID:
    return parse_conversation_id(conversation_id)


ConversationId = Annotated[UUID, Depends(_conversation_id)]
Limit = Annotated[
    int, Query(ge=1, le=500, description="Alone: the newest. With `afterSeq`: the first.")
]
DEFAULT_LIMIT = 50
AfterSeq = Annotated[
    int | None, Query(alias="afterSeq", ge=0, le=2**31 - 1, description="What follows this one.")
]


async def detail_of(
    session: AsyncSession, caller: Principal, conversation_id: UUID
) -> ConversationDetail:
    """Raises ConversationNotFound."""
    row = await visible(session, caller, conversation_id)
    view = await view_for(session, caller, row)
    marks = await read_marks.marks(session, conversation_id)
    return ConversationDetail(**dict(view), read_seq=marks)


async def view_for(
    session: AsyncSession, caller: Principal, row: ConversationRow
) -> ConversationView:
    """A conversation as the caller may see it: why an agent closed it is for the desk."""
    view = conversation_view(row)
    if caller.is_customer and view.close_reason is not None:
        closed = await reading.newest_event(session, view.id, EventType.CLOSED) or {}
        view.close_reason = reason_for_customers(closed) or closed.get("cause")
    return view


async def messages_of(
    session: AsyncSession,
    caller: Principal,
    conversation_id: UUID,
    limit: int,
    after_seq: int | None,
) -> list[MessageView]:
    """What was said, in its order; agents' notes for agents only. Raises ConversationNotFound."""
    await visible(session, caller, conversation_id)
    entries = await reading.entries(
        session,
        conversation_id,
        after_seq=after_seq,
        limit=limit,
        private=not caller.is_customer,
        events=False,
    )
    return [message_view(entry) for entry in entries]
