"""What leaves the house: one message to one outside address, and what can become of it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from domain.models import AuthorKind, DeliveryState, Visibility

OUTWARD = frozenset({AuthorKind.AGENT, AuthorKind.AI})
"""Whose public messages go out."""

_PIECE_ID = re.compile(r"([0-9a-f]{32})/([0-9]{1,9})/([0-9]{1,4})")
_SLOWEST_FIRST = (
    DeliveryState.FAILED,
    DeliveryState.UNKNOWN,
    DeliveryState.PENDING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
)

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
    more: bool = False
    """Whether something is left, for the next run: the task queue counts runs."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many pieces in any span of that length."""

    most: int
    within: timedelta
    to_each: bool = False
    """For each address, not for all together."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is one message to the platform: text, or a file, or both."""

    number: int
    """0, 1, 2 …"""
    text: str = ""
    files: tuple[dict[str, Any], ...] = ()
    """As in the message's `attachments`."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out. `first_tried_at` is set when an earlier attempt to send the piece
    may have got through."""

    thread_id: UUID
    seq: int
    message_id: UUID
    outlet: str
    address: str
    author: AuthorKind
    author_name: str | None
    content: str
    attempts: int
    """Which one at this piece it is: 1, 2, 3 …"""
    waits_since: datetime
    first_tried_at: datetime | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)
    pieces_sent: int = 0
    at: datetime | None = None
    """When it is tried, by the clock of the workflows."""
    heard_at: datetime | None = None
    """When the customer last wrote to this outlet, where that is known."""
    ticket_number: int = 0
    subject: str = ""
    in_reply_to: str | None = None
    """What the platform calls the customer's newest message that came before."""


def piece_id(outgoing: Outgoing, piece: int) -> str:
    """What we send along with a piece, for platforms that send it back."""
    return f"{outgoing.thread_id.hex}/{outgoing.seq}/{piece}"


def parse_piece_id(text: str) -> tuple[UUID, int, int] | None:
    """The thread, seq and number of a piece; None for what is not ours."""
    found = _PIECE_ID.fullmatch(text)
    return (UUID(found[1]), int(found[2]), int(found[3])) if found else None


def pieces_of(content: str, files: Sequence[dict[str, Any]], longest: int) -> list[Piece]:
    """A message as pieces of at most `longest` characters, split where words end, and each file
    for itself."""
    texts = split_text(content, longest)
    pieces = [Piece(number, text=text) for number, text in enumerate(texts)]
    return pieces + [Piece(len(texts) + place, files=(each,)) for place, each in enumerate(files)]


def split_text(text: str, longest: int) -> list[str]:
    """Parts of at most `longest` characters; a word is cut only where it is longer than that."""
    parts = []
    text = text.strip()
    while len(text) > longest:
        at = max(text.rfind(" ", 0, longest + 1), text.rfind("\n", 0, longest + 1))
        at = at if at > 0 else longest
        parts.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*parts, text] if text else parts


def goes_out(author: AuthorKind, visibility: Visibility) -> bool:
    return author in OUTWARD and visibility is Visibility.PUBLIC


def may_follow(state: DeliveryState, before: DeliveryState) -> bool:
    """Whether news of `state` is to be written over `before`: nothing is ever undone by it."""
    return state in _AFTER[before]


def state_of_all(pieces: Iterable[DeliveryState]) -> DeliveryState:
    """How far a message has come whose pieces have come so far: as far as the slowest, and failed
    as soon as one has."""
    return min(pieces, key=_SLOWEST_FIRST.index)
