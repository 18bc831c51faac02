"""Team chat as clients see it: users in seed 002's snake_case, messages in its camelCase."""

import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, RootModel

from api.chat_views import ChatModel
from domain.team import TeamStatus
from store.team_chat import Contact, DirectMessage, Unread
from store.team_presence import Colleague

UserId = int | str
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)
"""Written as it is, and within what JavaScript counts exactly."""


def user_id_view(user_id: str) -> UserId:
    """A number where it is one, as in seed 002; any other text as it is."""
    return int(user_id) if _NUMBER.fullmatch(user_id) else user_id


class UserView(BaseModel):
    id: UserId
    name: str
    email: str | None
    department: str | None
    last_activity: datetime | None = Field(description="None for one who has not called yet.")
    status: TeamStatus


class ContactView(UserView):
    last_contact: datetime


class Users(RootModel[list[UserView]]):
    """Those who were active last first."""


class Contacts(RootModel[list[ContactView]]):
    """The last ones first."""


class SentMessage(ChatModel):
    success: Literal[True] = True
    id: int
    timestamp: datetime


class TeamMessage(ChatModel):
    id: int
    sender_id: UserId
    sender_name: str
    receiver_id: UserId
    text: str
    type: str
    timestamp: datetime
    read_at: datetime | None


class TeamMessages(RootModel[list[TeamMessage]]):
    """Chronological."""


class MarkedRead(ChatModel):
    success: Literal[True] = True
    up_to: int | None = Field(description="The newest message that is read by this, if any was.")


class UnreadOfUser(ChatModel):
    user_id: UserId
    count: int
    last_message_id: int


class UnreadView(ChatModel):
    total: int
    users: list[UnreadOfUser] = Field(description="The newest message first.")


class Done(BaseModel):
    success: Literal[True] = True


def user_view(colleague: Colleague) -> UserView:
    return UserView(**_facts(colleague))


def contact_view(contact: Contact) -> ContactView:
    return ContactView(**_facts(contact.colleague), last_contact=_utc(contact.last_contact))


def sent_view(message: DirectMessage) -> SentMessage:
    return SentMessage(id=message.id, timestamp=_utc(message.created_at))


def team_message(message: DirectMessage) -> TeamMessage:
    return TeamMessage(
        id=message.id,
        sender_id=user_id_view(message.sender_id),
        sender_name=message.sender_name,
        receiver_id=user_id_view(message.receiver_id),
        text=message.message,
        type=message.message_type,
        timestamp=_utc(message.created_at),
        read_at=_utc(message.read_at) if message.read_at else None,
    )


def unread_view(unread: list[Unread]) -> UnreadView:
    return UnreadView(
        total=sum(each.count for each in unread),
        users=[
            UnreadOfUser(
                user_id=user_id_view(each.sender_id),
                count=each.count,
                last_message_id=each.last_id,
            )
            for each in unread
        ],
    )


def _facts(colleague: Colleague) -> dict[str, Any]:
    last = colleague.last_activity
    return {
        "id": user_id_view(colleague.id),
        "name": colleague.name,
        "email": colleague.email,
        "department": colleague.department,
        "last_activity": _utc(last) if last else None,
        "status": colleague.status,
    }


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
