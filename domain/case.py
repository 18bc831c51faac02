"""What is known of a thread when something is to be said in it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.assistance import Reaction
from domain.models import AuthorKind, TicketStatus


@dataclass(frozen=True, slots=True)
class Turn:
    """One public message. Of the assistant's own, `reaction` is what it was, and `sources` are the
    ids of the articles that it has named."""

    author: AuthorKind
    text: str
    at: datetime
    sources: tuple[str, ...] = ()
    reaction: Reaction | None = None


@dataclass(frozen=True, slots=True)
class TicketLine:
    """A ticket as its customer may see it."""

    number: int
    subject: str
    status: TicketStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A thread's newest public messages, in their order, and whom and what it is about.
    Conversations have no title."""

    customer_id: UUID
    customer_name: str | None
    title: str | None
    turns: tuple[Turn, ...]
