"""What tests do with tickets, without HTTP."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, Channel, Priority, ThreadKind, ThreadRef, Visibility
from domain.ticket_life import ChangeTicket, Command, TicketState
from store import reading, threads, tickets
from store.customers import Introduction, meet
from store.database import Database
from store.reading import Entry
from store.threads import Draft
from store.tickets import NewTicket
from workflows.engine import Engine, NewTicketFacts

PATIENCE = 20.0


@dataclass
class Desk:
    database: Database
    engine: Engine
    policy: DeadlinePolicy

    async def open(
        self,
        *,
        nudge: bool = True,
        priority: Priority = Priority.MEDIUM,
        words: str = "Hello",
    ) -> UUID:
        async with self.database.begin() as session:
            customer = await meet(session, Introduction(Channel.WEB, name="Ada"))
            new = NewTicket(customer.id, Channel.WEB, "Help", priority)
            first = Draft(AuthorKind.CUSTOMER, words)
            ticket_id = (await tickets.open_ticket(session, new, first, self.policy)).ticket_id
            number = (await tickets.find(session, ticket_id)).ticket.number
        if nudge:
            facts = NewTicketFacts(number, Channel.WEB, priority)
            await self.engine.nudge(thread_ref(ticket_id), facts)
        return ticket_id

    async def write(
        self,
        ticket_id: UUID,
        author: AuthorKind,
        text: str = "text",
        visibility: Visibility = Visibility.PUBLIC,
    ) -> UUID:
        """Returns the ticket that the message went into."""
        async with self.database.begin() as session:
            draft = Draft(author, text, visibility=visibility)
            row = await tickets.find(session, ticket_id, lock=True)
            written = await tickets.write(session, row, draft, self.policy)
        if written.entry.nudge:
            await self.engine.nudge(thread_ref(written.ticket_id))
        return written.ticket_id

    async def change(self, ticket_id: UUID, *commands: Command) -> None:
        order = ChangeTicket(by="ada", commands=list(commands))
        await self.engine.change_ticket(ticket_id, order, uuid4().hex)

    async def state(self, ticket_id: UUID) -> TicketState:
        async with self.database.begin() as session:
            return (await tickets.load(session, ticket_id))[0]

    async def log(self, ticket_id: UUID) -> list[Entry]:
        async with self.database.begin() as session:
            return await reading.entries(
                session, ticket_id, after_seq=0, limit=100_000, private=True
            )

    async def handled(self, ticket_id: UUID) -> bool:
        async with self.database.begin() as session:
            return (await threads.lock(session, ticket_id)).asleep

    async def until_handled(self, ticket_id: UUID) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await self.handled(ticket_id):
                await asyncio.sleep(0.01)

    async def until(self, ticket_id: UUID, fact: Callable[[TicketState], bool]) -> TicketState:
        """Wait until something is true of the ticket."""
        async with asyncio.timeout(PATIENCE):
            while not fact(state := await self.state(ticket_id)):
                await asyncio.sleep(0.01)
        return state


def thread_ref(ticket_id: UUID) -> ThreadRef:
    return ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
