"""Two hours without a platform, in seconds: on the server that skips time, against a fake Graph API
that goes by the same clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, DeliveryState
from store import contacts, customers, deliveries, delivery_news, tickets
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from store.tickets import NewTicket
from tests.channels.graph_answers import refuses, takes_and_hangs
from tests.channels.graph_server import GraphServer
from tests.workflows.desk import Desk, thread_ref
from tests.workflows.platforms import Platform, messenger, whatsapp, x
from tests.workflows.policies import CHAT
from workers.deliveries import make_delivery_worker
from workers.threads import Policies, make_worker
from workflows.engine import Engine

CUSTOMERS = 5
REPLIES = 6
OUTAGE = timedelta(hours=2)
LISTED = (4, 80007, 130429, 131056, 131000, 131016, 1, 2, 131057)
"""Codes of what is worth trying again."""


@pytest.fixture(params=[whatsapp])
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    async with request.param() as platform:
        yield platform


@pytest.fixture
def graph(platform: Platform) -> GraphServer:
    assert isinstance(platform.server, GraphServer)
    return platform.server


@pytest.fixture
async def desk(
    skipping: WorkflowEnvironment,
    database: Database,
    policy: DeadlinePolicy,
    platform: Platform,
) -> AsyncIterator[Desk]:
    engine = Engine(skipping.client, task_queue=f"test-{uuid4().hex}")
    working = make_worker(
        skipping.client, database, Policies(policy, CHAT), task_queue=engine.task_queue
    )
    sending = make_delivery_worker(skipping.client, database, platform.outlet, timedelta(hours=24))
    async with working, sending:
        yield Desk(database, engine, policy)


async def open_ticket(desk: Desk, platform: Platform, number: int = 0) -> UUID:
    address, outlet = platform.address(number), platform.outlet.name
    async with desk.database.begin() as session:
        introduction = Introduction(platform.channel, identities=(address,))
        customer = await customers.meet(session, introduction)
        new = NewTicket(
            customer.id, platform.channel, "Help", channel_identity=address, outlet=outlet
        )
        first = Draft(AuthorKind.CUSTOMER, "Hello")
        await contacts.heard(session, outlet, address, datetime.now(UTC))
        ticket_id = (await tickets.open_ticket(session, new, first, desk.policy)).ticket_id
    await desk.engine.nudge(thread_ref(ticket_id))
    return ticket_id


async def states(desk: Desk, ticket_ids: list[UUID]) -> list[DeliveryState]:
    async with desk.database.begin() as session:
        known = [await deliveries.progress(session, each, range(100)) for each in ticket_ids]
    return [each.state for progress in known for each in progress.values()]


async def skip_until(
    skipping: WorkflowEnvironment,
    fact: Callable[[list[DeliveryState]], bool],
    desk: Desk,
    ticket_ids: list[UUID],
) -> None:
    """Turn the clock forward, minute by minute, until it is so."""
    async with asyncio.timeout(100):
        while not fact(await states(desk, ticket_ids)):
            await skipping.sleep(timedelta(minutes=1))


@pytest.mark.parametrize("platform", [whatsapp, messenger, x], indirect=True)
async def test_after_two_hours_everything_has_arrived_once_and_in_order(
    desk: Desk, skipping: WorkflowEnvironment, platform: Platform
) -> None:
    clock, server = platform.clock, platform.server
    server.down_until = back = clock() + OUTAGE
    ticket_ids = [await open_ticket(desk, platform, number) for number in range(CUSTOMERS)]
    about = (desk, ticket_ids)
    for number in range(REPLIES):
        for ticket_id in ticket_ids:
            await desk.write(ticket_id, AuthorKind.AGENT, f"reply {number}")
    await skip_until(skipping, lambda _: clock() > back - timedelta(minutes=10), *about)
    assert server.taken == []
    await skip_until(skipping, lambda all_: set(all_) == {DeliveryState.SENT}, *about)
    expected = [f"reply {number}" for number in range(REPLIES)]
    for number in range(CUSTOMERS):
        assert platform.texts_to(platform.address(number)) == expected
    assert server.violations == []


@pytest.mark.parametrize("code", LISTED)
async def test_refusal_that_passes_costs_nothing(
    desk: Desk, skipping: WorkflowEnvironment, platform: Platform, graph: GraphServer, code: int
) -> None:
    ticket_id = await open_ticket(desk, platform)
    graph.behaviours += [refuses(code)] * 3
    await desk.write(ticket_id, AuthorKind.AGENT, "one")
    await desk.write(ticket_id, AuthorKind.AGENT, "two")
    await skip_until(skipping, lambda all_: all_ == [DeliveryState.SENT] * 2, desk, [ticket_id])
    assert platform.texts_to(platform.address(0)) == ["one", "two"]
    assert graph.violations == []


async def test_nobody_gets_more_than_the_platform_lets_them(
    desk: Desk, skipping: WorkflowEnvironment, platform: Platform, graph: GraphServer
) -> None:
    """45 to one customer in 270 seconds: what is written at once goes out over minutes."""
    ticket_id = await open_ticket(desk, platform)
    texts = [f"reply {number}" for number in range(60)]
    for text in texts:
        await desk.write(ticket_id, AuthorKind.AGENT, text)
    await skip_until(skipping, lambda all_: all_ == [DeliveryState.SENT] * 60, desk, [ticket_id])
    assert platform.texts_to(platform.address(0)) == texts
    assert graph.violations == []


async def test_time_out_after_taking_is_told_by_a_late_status_and_not_doubled(
    desk: Desk, skipping: WorkflowEnvironment, platform: Platform, graph: GraphServer
) -> None:
    ticket_id = await open_ticket(desk, platform)
    graph.behaviours += [takes_and_hangs]
    await desk.write(ticket_id, AuthorKind.AGENT, "one")
    await desk.write(ticket_id, AuthorKind.AGENT, "two")
    async with asyncio.timeout(30):
        while not graph.taken:
            await asyncio.sleep(0.05)
    [taken] = graph.taken
    async with desk.database.begin() as session:
        await delivery_news.news(
            session, platform.outlet.name, taken.id, taken.our_id, DeliveryState.DELIVERED
        )
    expected = [DeliveryState.DELIVERED, DeliveryState.SENT]
    await skip_until(skipping, lambda all_: all_ == expected, desk, [ticket_id])
    assert platform.texts_to(platform.address(0)) == ["one", "two"]


async def test_time_out_after_taking_without_a_word_is_unknown(
    desk: Desk, skipping: WorkflowEnvironment, platform: Platform, graph: GraphServer
) -> None:
    ticket_id = await open_ticket(desk, platform)
    graph.behaviours += [takes_and_hangs]
    await desk.write(ticket_id, AuthorKind.AGENT, "one")
    await desk.write(ticket_id, AuthorKind.AGENT, "two")
    expected = [DeliveryState.UNKNOWN, DeliveryState.SENT]
    await skip_until(skipping, lambda all_: all_ == expected, desk, [ticket_id])
    assert platform.texts_to(platform.address(0)) == ["one", "two"]
    told = [entry.event["type"] for entry in await desk.log(ticket_id) if entry.event]
    assert "delivery_unknown" in told


async def test_after_a_day_of_silence_nothing_is_sent_and_agents_know_why(
    desk: Desk, skipping: WorkflowEnvironment, platform: Platform, graph: GraphServer
) -> None:
    ticket_id = await open_ticket(desk, platform)
    await skipping.sleep(timedelta(hours=25))
    await desk.write(ticket_id, AuthorKind.AGENT, "Are you still there?")
    await skip_until(skipping, lambda all_: all_ == [DeliveryState.FAILED], desk, [ticket_id])
    assert graph.taken == []
    told = [entry.event for entry in await desk.log(ticket_id) if entry.event]
    assert [each["cause"] for each in told if each["type"] == "delivery_failed"] == [
        "window_closed"
    ]
