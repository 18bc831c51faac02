"""What an assistant is told of a thread, and where it may look things up.

Public messages, public articles, and the customer's own tickets: nobody who asks here can see more
than the customer may.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.assistance import Reaction
from domain.case import CaseFile, TicketLine, Turn
from domain.knowledge import Audience, Found
from domain.models import AuthorKind, ThreadKind, ThreadRef, TicketStatus
from store import meaning, reading, ticket_lists
from store.database import Database
from store.meaning import Meanings
from store.reading import Entry
from store.ticket_lists import TicketFilter

_TURNS = 30
_BEGINNING, _END = 3_000, 1_000
"""Characters of a message that is longer than both: what it is about, and what it comes to."""
_TICKETS = 10


async def read(session: AsyncSession, thread: ThreadRef) -> CaseFile:
    """The file of a thread that exists."""
    about = (await session.execute(_ABOUT[thread.kind], {"id": thread.id})).one()
    entries = await reading.entries(session, thread.id, limit=_TURNS, private=False, events=False)
    turns = (_turn(entry) for entry in entries if entry.author != AuthorKind.SYSTEM)
    return CaseFile(about.customer_id, about.customer_name, about.title, tuple(turns))


class PublicLibrary:
    """The articles that customers may read."""

    def __init__(self, database: Database, meanings: Meanings | None = None) -> None:
        self._database = database
        self._meanings = meanings

    async def search(self, question: str, limit: int = 5) -> Sequence[Found]:
        """The best first; empty where nothing speaks of it."""
        return await meaning.search(
            self._database, self._meanings, question, audiences={Audience.PUBLIC}, limit=limit
        )


class OwnRecords:
    """What we have on one customer."""

    def __init__(self, database: Database, customer_id: UUID) -> None:
        self._database = database
        self._wanted = TicketFilter(customer_id=customer_id)

    async def tickets(self) -> Sequence[TicketLine]:
        """The newest first."""
        async with self._database.reading() as session:
            rows = await ticket_lists.page(session, self._wanted, offset=0, limit=_TICKETS)
        return [
            TicketLine(
                row.ticket.number,
                row.ticket.subject,
                TicketStatus(row.ticket.status),
                row.ticket.created_at,
            )
            for row in rows
        ]


def _turn(entry: Entry) -> Turn:
    told = entry.metadata if entry.author == AuthorKind.AI else {}
    reaction = told.get("assistant", {}).get("reaction")
    return Turn(
        author=AuthorKind(entry.author),
        text=_shortened(entry.content),
        at=entry.created_at,
        sources=tuple(source["id"] for source in told.get("sources", [])),
        reaction=Reaction(reaction) if reaction else None,
    )


def _shortened(text: str) -> str:
    if len(text) <= _BEGINNING + _END:
        return text
    return f"{text[:_BEGINNING]}\n…\n{text[-_END:]}"


_ABOUT = {
    ThreadKind.TICKET: text(
        """
        SELECT customer_id, customers.name AS customer_name, subject AS title
        FROM tickets JOIN customers ON customers.id = customer_id WHERE tickets.id = :id
        """
    ),
    ThreadKind.CONVERSATION: text(
        """
        SELECT customer_id, customers.name AS customer_name, NULL AS title
        FROM conversations JOIN customers ON customers.id = customer_id
        WHERE conversations.id = :id
        """
    ),
}
