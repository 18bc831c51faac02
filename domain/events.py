"""What a log tells besides messages, and what a workflow may know of it: no text at all."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from domain.deadlines import DeadlineKind
from domain.models import AuthorKind, EventType, Side, Visibility


class Event(BaseModel):
    """One fact for a thread's log.

    `by` is None when the system acted by itself: on a message, or because a time had come.
    """

    type: EventType
    visibility: Visibility = Visibility.PRIVATE
    before: str | None = None
    after: str | None = None
    deadline: DeadlineKind | None = None
    by: str | None = None
    status: str | None = None
    """Of a conversation, after the event."""
    side: Side | None = None
    """Who arrived or was disconnected."""
    since: datetime | None = None
    cause: str | None = None
    """Why, where it was no person's wish: `agent_gone`, `idle`, …"""
    ticket_id: UUID | None = None
    of_seq: int | None = None
    """The message that the event is about."""
    any_team: bool | None = None
    """True where an agent was assigned whatever the conversation's tags."""


HEARD = frozenset(
    {
        EventType.QUEUED,
        EventType.ARRIVED,
        EventType.DISCONNECTED,
        EventType.SIGNED_OFF,
        EventType.FROM_CONVERSATION,
        EventType.HANDED_OVER,
        EventType.ERASED,
    }
)
"""Events that others than the thread's workflow write, and that it has to look at."""


class Head(BaseModel):
    """What a workflow may know of a log's entry: everything but its text."""

    seq: int
    author: AuthorKind
    visibility: Visibility
    at: datetime
    event: Event | None = None
    """Set for those that are HEARD."""
