"""Days in milliseconds: long timers, on the server that skips time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from domain.deadlines import DeadlineKind, DeadlinePolicy
from domain.models import AuthorKind, Priority, TicketStatus
from domain.ticket_life import SetStatus
from store.database import Database
from tests.workflows.desk import Desk
from tests.workflows.policies import CHAT
from workers.threads import Policies, make_worker
from workflows.engine import Engine


@pytest.fixture
async def desk(
    skipping: WorkflowEnvironment, database: Database, policy: DeadlinePolicy
) -> AsyncIterator[Desk]:
    engine = Engine(skipping.client, task_queue=f"test-{uuid4().hex}")
    async with make_worker(
        skipping.client, database, Policies(policy, CHAT), task_queue=engine.task_queue
    ):
        yield Desk(database, engine, policy)


async def test_resolved_ticket_closes_after_seven_days(
    desk: Desk, skipping: WorkflowEnvironment
) -> None:
    ticket_id = await desk.open()
    await desk.change(ticket_id, SetStatus(status=TicketStatus.RESOLVED))
    await skipping.sleep(timedelta(days=7) - timedelta(minutes=1))
    assert (await desk.state(ticket_id)).status is TicketStatus.RESOLVED
    await skipping.sleep(timedelta(minutes=2))
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.CLOSED)


async def test_customer_who_writes_on_the_last_day_stops_the_close(
    desk: Desk, skipping: WorkflowEnvironment
) -> None:
    ticket_id = await desk.open()
    await desk.change(ticket_id, SetStatus(status=TicketStatus.RESOLVED))
    await skipping.sleep(timedelta(days=6))
    await desk.write(ticket_id, AuthorKind.CUSTOMER)
    await desk.until_handled(ticket_id)
    await skipping.sleep(timedelta(days=2))
    assert (await desk.state(ticket_id)).status is TicketStatus.OPEN


async def test_each_deadline_is_breached_in_its_turn(
    desk: Desk, skipping: WorkflowEnvironment
) -> None:
    ticket_id = await desk.open()
    await desk.until_handled(ticket_id)
    both = [DeadlineKind.FIRST_RESPONSE, DeadlineKind.RESOLUTION]
    for hours, breached in ((3, []), (2, both[:1]), (8, both)):
        await skipping.sleep(timedelta(hours=hours))
        await desk.until(
            ticket_id,
            lambda state, breached=breached: (
                [  # type: ignore[misc]
                    kind for kind in DeadlineKind if state.deadlines[kind].breached_at
                ]
                == breached
            ),
        )
    deadlines = [entry.event["deadline"] for entry in await desk.log(ticket_id) if entry.event]
    assert deadlines == both


async def test_reply_in_time_is_no_breach_though_the_worker_was_away(
    client: Client, engine: Engine, database: Database, policy: DeadlinePolicy
) -> None:
    soon = policy.model_copy(
        update={"first_response": dict.fromkeys(Priority, timedelta(seconds=1))}
    )
    desk = Desk(database, engine, soon)
    ticket_id = await desk.open()
    await desk.write(ticket_id, AuthorKind.AGENT, "Here I am")
    due_at = (await desk.state(ticket_id)).deadlines[DeadlineKind.FIRST_RESPONSE].due_at
    while datetime.now(UTC) <= due_at:
        await asyncio.sleep(0.05)
    async with make_worker(client, database, Policies(soon, CHAT), task_queue=engine.task_queue):
        state = await desk.until(
            ticket_id, lambda state: state.status is TicketStatus.PENDING_CUSTOMER
        )
        await desk.until_handled(ticket_id)
    assert not state.breached
