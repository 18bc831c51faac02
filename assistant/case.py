"""What the assistant is told of a thread, and where it may look things up.

It sees what the customer may see, and nothing else: public messages of this thread, public
articles, and this customer's own tickets. Whoever makes a `Case` sees to that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from domain.assistance import Reaction
from domain.case import TicketLine, Turn
from domain.knowledge import Found
from domain.models import AuthorKind


class Library(Protocol):
    """The articles that this customer may read."""

    async def search(self, question: str, limit: int = 5) -> Sequence[Found]:
        """The best first; empty where nothing speaks of it."""


class Records(Protocol):
    """What we have on this customer."""

    async def tickets(self) -> Sequence[TicketLine]:
        """The newest first."""


@dataclass(frozen=True, slots=True)
class Case:
    """A thread in which it is the assistant's turn. `turns` are the newest, in their order; the
    last one is the customer's."""

    turns: tuple[Turn, ...]
    library: Library
    records: Records
    subject: str | None = None
    customer: str | None = None
    """What the customer is called, for agents; models that answer customers are not told."""

    @property
    def matter(self) -> str:
        """All that the customer has said."""
        said = [turn.text for turn in self.turns if _by_customer(turn)]
        return "\n".join([*filter(None, [self.subject]), *said])

    @property
    def asked(self) -> tuple[str, ...]:
        """What the customer has said since anybody else did, message by message."""
        words = takewhile(_by_customer, reversed(self.turns))
        return tuple(turn.text for turn in words)[::-1]

    @property
    def question(self) -> str:
        """The same as one text."""
        return "\n".join(self.asked)

    @property
    def wordings(self) -> tuple[str, ...]:
        """The question, and its last message alone: who says hello first, or goes on about the
        weather, asks the same."""
        said = [turn.text for turn in self.turns if _by_customer(turn)]
        return tuple(dict.fromkeys([self.question or said[-1], said[-1]])) if said else ()

    @property
    def told(self) -> frozenset[str]:
        """The ids of the articles from which the customer was answered before."""
        return frozenset(source for turn in self.turns for source in turn.sources)

    @property
    def asked_back(self) -> bool:
        """Whether the assistant has asked something back when it spoke last."""
        spoken = [turn for turn in self.turns if turn.author is AuthorKind.AI]
        return bool(spoken) and spoken[-1].reaction is Reaction.ASKED


def _by_customer(turn: Turn) -> bool:
    return turn.author is AuthorKind.CUSTOMER
