"""Tickets and messages, written straight into the log."""

from datetime import timedelta
from uuid import UUID

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, Channel, Priority, Visibility
from store import customers, threads, tickets
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from store.tickets import NewTicket

POLICY = DeadlinePolicy(
    first_response=dict.fromkeys(Priority, timedelta(hours=1)),
    resolution=dict.fromkeys(Priority, timedelta(days=1)),
    auto_close=timedelta(days=7),
)


async def open_ticket(database: Database, email: str = "jo@example.com") -> UUID:
    """A new ticket with one message, seq 1."""
    async with database.begin() as session:
        customer = await customers.meet(session, Introduction(Channel.WEB, email=email))
        new = NewTicket(customer.id, Channel.WEB, "Help")
        first = Draft(AuthorKind.CUSTOMER, "message 1")
        return (await tickets.open_ticket(session, new, first, POLICY)).ticket_id


async def write(
    database: Database,
    ticket_id: UUID,
    content: str = "more",
    visibility: Visibility = Visibility.PUBLIC,
) -> int:
    """Append an agent's message; returns its seq."""
    async with database.begin() as session:
        thread = await threads.lock(session, ticket_id)
        draft = Draft(AuthorKind.AGENT, content, author_id="agent-1", visibility=visibility)
        return (await threads.append(session, thread, draft)).seq


async def write_event(database: Database, ticket_id: UUID, **event: str) -> int:
    """Append a private system event; returns its seq."""
    async with database.begin() as session:
        thread = await threads.lock(session, ticket_id)
        draft = Draft(
            AuthorKind.SYSTEM, "It happened.", visibility=Visibility.PRIVATE, event={**event}
        )
        return (await threads.append(session, thread, draft)).seq


async def number_of(database: Database, ticket_id: UUID) -> int:
    async with database.begin() as session:
        return (await tickets.find(session, ticket_id)).ticket.number
