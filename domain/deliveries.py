"""What leaves the house: one message to one outside address, and what can become of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from domain.models import AuthorKind, DeliveryState, Visibility

OUTWARD = frozenset({AuthorKind.AGENT, AuthorKind.AI})
"""Whose public messages go out."""

_AFTER = {
    DeliveryState.PENDING: frozenset(DeliveryState) - {DeliveryState.PENDING},
    DeliveryState.UNKNOWN: frozenset(DeliveryState)
    - {DeliveryState.PENDING, DeliveryState.UNKNOWN},
    DeliveryState.SENT: frozenset(
        {DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED}
    ),
    DeliveryState.FAILED: frozenset({DeliveryState.DELIVERED, DeliveryState.READ}),
    DeliveryState.DELIVERED: frozenset({DeliveryState.READ}),
    DeliveryState.READ: frozenset[DeliveryState](),
}
"""From each state to those that news can still bring. News comes late, twice and in any order: an
error may be here before the word that the provider has taken the message."""


class DeliverInput(BaseModel):
    """Which thread's replies are to go out."""

    thread_id: UUID


class Delivered(BaseModel):
    """What one run of the activity has done."""

    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out. `first_tried_at` is set when an earlier attempt may have got
    through."""

    thread_id: UUID
    seq: int
    message_id: UUID
    address: str
    author: AuthorKind
    author_name: str | None
    content: str
    attempts: int
    created_at: datetime
    first_tried_at: datetime | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)


def goes_out(author: AuthorKind, visibility: Visibility) -> bool:
    return author in OUTWARD and visibility is Visibility.PUBLIC


def may_follow(state: DeliveryState, before: DeliveryState) -> bool:
    """Whether news of `state` is to be written over `before`: nothing is ever undone by it."""
    return state in _AFTER[before]
