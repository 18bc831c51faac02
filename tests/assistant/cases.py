"""Threads, articles and records for assistants that are tested without a database."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from assistant.case import Case
from domain.assistance import Reaction
from domain.case import TicketLine, Turn
from domain.ids import article_id_text
from domain.knowledge import Article, Audience, Found
from domain.models import AuthorKind, TicketStatus

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def article(title: str, body: str) -> Article:
    return Article(
        id=uuid4(),
        title=title,
        body=body,
        tags=(),
        audience=Audience.PUBLIC,
        language="en",
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


RETURNS = article("Returning things", "You can return anything within 30 days.")
SHIPPING = article("Delivery times", "A parcel takes two to four days.")


class Shelf:
    """A library that finds what it was told to find."""

    def __init__(self, *found: Found) -> None:
        self._found = found
        self.questions: list[str] = []

    async def search(self, question: str, limit: int = 5) -> Sequence[Found]:
        self.questions.append(question)
        return self._found[:limit]


class Ledger:
    async def tickets(self) -> Sequence[TicketLine]:
        return [TicketLine(7, "Flat tyre", TicketStatus.OPEN, NOW)]


def found(of: Article, coverage: float = 1.0) -> Found:
    return Found(of, score=coverage, coverage=coverage)


def customer(text: str) -> Turn:
    return Turn(AuthorKind.CUSTOMER, text, NOW)


def assistant(text: str, *sources: Article) -> Turn:
    """An answer, or without a source a question back."""
    named = tuple(article_id_text(source.id) for source in sources)
    return Turn(AuthorKind.AI, text, NOW, named, Reaction.ANSWERED if named else Reaction.ASKED)


def case(*turns: Turn | str, shelf: Shelf | None = None) -> Case:
    spoken = tuple(customer(turn) if isinstance(turn, str) else turn for turn in turns)
    return Case(spoken, shelf or Shelf(), Ledger())
