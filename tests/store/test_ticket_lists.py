"""Counts that come from tallies are the counts of the tickets."""

import asyncio
from datetime import timedelta
from itertools import product

from sqlalchemy import func, select

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, Channel, Priority, TicketStatus
from store import ticket_lists, tickets
from store.customers import Introduction, meet
from store.database import Database
from store.tables import Ticket, TicketTally
from store.threads import Draft
from store.ticket_lists import TicketFilter
from store.tickets import NewTicket

DAY = timedelta(days=1)
POLICY = DeadlinePolicy(
    first_response=dict.fromkeys(Priority, DAY),
    resolution=dict.fromkeys(Priority, DAY),
    auto_close=DAY,
)
FILTERS = [
    TicketFilter(status=status, priority=priority, channel=channel, assigned_agent_id=agent_id)
    for status, priority, channel, agent_id in product(
        (None, TicketStatus.NEW, TicketStatus.OPEN),
        (None, Priority.LOW, Priority.HIGH),
        (None, Channel.WEB, Channel.EMAIL),
        (None, "ada", "grace"),
    )
]


async def open_ticket(database: Database, priority: Priority, channel: Channel) -> None:
    async with database.begin() as session:
        customer = await meet(session, Introduction(channel, email="eve@example.com"))
        new = NewTicket(customer.id, channel, "Help", priority)
        draft = Draft(AuthorKind.CUSTOMER, "Hello")
        ticket_id = (await tickets.open_ticket(session, new, draft, POLICY)).ticket_id
        if priority is Priority.HIGH:
            state, thread = await tickets.load(session, ticket_id)
            taken = {"status": TicketStatus.OPEN, "agent_id": "ada", "version": 1}
            await tickets.record(session, thread, state.model_copy(update=taken), [])


async def fill(database: Database) -> None:
    for priority, channel in product((Priority.LOW, Priority.HIGH), (Channel.WEB, Channel.EMAIL)):
        for _ in range(3):
            await open_ticket(database, priority, channel)


async def assert_all_counts_are_right(database: Database) -> None:
    async with database.begin() as session:
        for wanted in FILTERS:
            listed = await ticket_lists.page(session, wanted, offset=0, limit=100)
            assert await ticket_lists.count(session, wanted) == len(listed)


async def test_tallies_count_what_the_list_shows(database: Database) -> None:
    await fill(database)
    await assert_all_counts_are_right(database)


async def test_folding_changes_no_count(database: Database) -> None:
    await fill(database)
    async with database.begin() as session:
        await ticket_lists.fold_tallies(session)
        rows = await session.scalar(select(func.count()).select_from(TicketTally))
    assert rows == 4
    await assert_all_counts_are_right(database)


async def test_folding_and_writing_at_once_lose_nothing(database: Database) -> None:
    async def fold() -> None:
        async with database.begin() as session:
            await ticket_lists.fold_tallies(session)

    async def write_and_fold() -> None:
        await open_ticket(database, Priority.LOW, Channel.WEB)
        await fold()

    await asyncio.gather(*(write_and_fold() for _ in range(30)))
    async with database.begin() as session:
        there = await session.scalar(select(func.count()).select_from(Ticket))
        assert await ticket_lists.count(session, TicketFilter()) == there == 30
