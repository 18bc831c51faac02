"""Outgoing webhooks: what integrators can be told of, and when they are called again."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from domain.models import EventType, ThreadKind

MOST_SUBSCRIPTIONS = 100
OLD_SECRET_SIGNS = timedelta(hours=24)
"""So long after a rotation the old secret signs beside the new one."""
PING = "ping"
"""Sent for a test, whatever the subscription wants."""

_AGAIN_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=20),
)
"""All together three days. Counted by tries and not by the clock, so that a time in which nobody
called, because we were down, is none of those days."""
_LONGEST_WISH = timedelta(hours=1)
"""That a subscriber can put us off by `Retry-After`, where that is longer."""


class EventState(StrEnum):
    """How far an event has come on its way to a subscriber."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


_THREADS = "|".join(ThreadKind)
_EVENTS = "|".join(("created", *EventType))
_PATTERN = (
    rf"^(\*|({_THREADS}|message|note)\.\*|(message|note)\.created|({_THREADS})\.({_EVENTS}))$"
)


def _told_of(kind: str) -> str:
    if not re.fullmatch(_PATTERN, kind):
        raise ValueError("must be a kind of event, like ticket.created, or ticket.*, or *")
    return kind


EventPattern = Annotated[
    str,
    AfterValidator(_told_of),
    Field(
        description="A kind, or `ticket.*`, or `*` for all.",
        examples=["ticket.created", "message.created", "conversation.*"],
        json_schema_extra={"pattern": _PATTERN},
    ),
]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Somebody who wants to be told of what happens."""

    id: UUID
    url: str
    events: list[str]
    description: str
    active: bool
    disabled_reason: str | None
    failing_since: datetime | None
    old_secret_until: datetime | None
    created_by: str
    created_at: datetime
    secret: str = field(repr=False)
    old_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a subscriber. `error` is set where it was no success."""

    number: int
    at: datetime
    status: int | None
    error: str | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An entry of a log that a subscriber is to be told of, or a `ping`."""

    id: UUID
    kind: str
    thread_id: UUID | None
    seq: int | None
    state: EventState
    next_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    attempts: list[Attempt] = field(default_factory=list)


def again_after(tries: int, wish: timedelta | None) -> timedelta | None:
    """How long to wait after so many tries without success; None: never again. `wish` is what the
    subscriber has asked for."""
    if tries > len(_AGAIN_AFTER):
        return None
    return max(_AGAIN_AFTER[tries - 1], min(wish or timedelta(0), _LONGEST_WISH))
