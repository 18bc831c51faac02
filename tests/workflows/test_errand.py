"""Errands from the log to whom they concern: the relay, the workflow, and a real subscriber."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.webhooks import CallWebhook
from channels.safe_http import SafeClient
from domain import names
from domain.deadlines import DeadlinePolicy
from domain.errands import Errand, ErrandKind
from domain.ids import webhook_event_id_text
from domain.models import AuthorKind
from holdfast.embedded.temporal import EmbeddedTemporal
from store import webhook_events, webhooks
from store.database import Database
from store.errand_tables import StoredErrand
from store.webhook_tables import WebhookEvent
from tests.activities.subscriber import Subscriber, subscriber
from tests.workflows.desk import Desk
from tests.workflows.policies import CHAT
from workers.errands import make_errand_worker
from workers.relay import Relay
from workers.threads import Policies, make_worker
from workflows.engine import Engine

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@pytest.fixture
async def receiver() -> AsyncIterator[Subscriber]:
    async with subscriber() as running:
        yield running


@asynccontextmanager
async def relayed(database: Database, engine: Engine) -> AsyncIterator[None]:
    relay = asyncio.create_task(Relay(database, engine).run())
    try:
        yield
    finally:
        relay.cancel()


async def states(database: Database) -> list[str]:
    async with database.begin() as session:
        return list(await session.scalars(select(WebhookEvent.state)))


async def until(database: Database, fact: Callable[[list[str]], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not fact(await states(database)):
            await asyncio.sleep(0.05)


async def ping(database: Database, subscription_id: UUID) -> UUID:
    async with database.begin() as session:
        return (await webhook_events.ping(session, subscription_id)).id


async def errands(database: Database) -> int:
    async with database.begin() as session:
        return await session.scalar(select(func.count()).select_from(StoredErrand)) or 0


class TestFromTheLog:
    @pytest.fixture
    async def calling(
        self, client: Client, database: Database, receiver: Subscriber
    ) -> AsyncIterator[None]:
        async with (
            SafeClient(frozenset({receiver.host})) as http,
            make_errand_worker(client, [CallWebhook(database, http).call_webhook]),
        ):
            yield

    async def test_subscriber_gets_what_happens_signed(
        self, desk: Desk, receiver: Subscriber, calling: None
    ) -> None:
        await receiver.subscribe(desk.database, "ticket.*", "message.created")
        async with relayed(desk.database, desk.engine):
            ticket_id = await desk.open()
            await desk.write(ticket_id, AuthorKind.AGENT, "a reply")
            # Created, and the two messages; and that the reply has changed the status.
            await receiver.until_called(4)
            await until(desk.database, lambda known: known == ["delivered"] * 4)
        assert sorted(each["type"] for each in receiver.received) == [
            "message.created",
            "message.created",
            "ticket.created",
            "ticket.status_changed",
        ]
        assert await errands(desk.database) == 0

    async def test_each_is_called_once_however_often_it_is_started(
        self, client: Client, desk: Desk, receiver: Subscriber, calling: None
    ) -> None:
        subscription_id = await receiver.subscribe(desk.database)
        errand = Errand(kind=ErrandKind.WEBHOOK, id=await ping(desk.database, subscription_id))
        await asyncio.gather(*(desk.engine.start_errand(errand) for _ in range(5)))
        await until(desk.database, lambda known: known == ["delivered"])
        await desk.engine.start_errand(errand)
        workflow_id = names.errand_workflow_id(errand.kind, errand.id)
        await client.get_workflow_handle(workflow_id).result()
        assert len(receiver.ids) == 1

    async def test_failure_is_tried_again_by_the_same_id(
        self, desk: Desk, receiver: Subscriber, calling: None
    ) -> None:
        receiver.default = 503
        subscription_id = await receiver.subscribe(desk.database)
        event_id = await ping(desk.database, subscription_id)
        async with relayed(desk.database, desk.engine):
            await receiver.until_called(1)
            receiver.default = 200
            await until(desk.database, lambda known: known == ["delivered"])
        assert receiver.ids == [webhook_event_id_text(event_id)] * 2


async def test_call_of_a_killed_worker_is_made_again(
    desk: Desk,
    client: Client,
    temporal_server: EmbeddedTemporal,
    database_url: str,
    receiver: Subscriber,
) -> None:
    receiver.hangs = True
    subscription_id = await receiver.subscribe(desk.database)
    event_id = await ping(desk.database, subscription_id)
    doomed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.workflows.errand_process",
        database_url,
        temporal_server.address,
        receiver.host,
        cwd=ROOT,
    )
    async with relayed(desk.database, desk.engine):
        await receiver.until_called(1)
        doomed.kill()
        await doomed.wait()
        receiver.hangs = False
        async with (
            SafeClient(frozenset({receiver.host})) as http,
            make_errand_worker(client, [CallWebhook(desk.database, http).call_webhook]),
        ):
            await until(desk.database, lambda known: known == ["delivered"])
    assert receiver.ids == [webhook_event_id_text(event_id)] * 2


class TestThreeDays:
    """On the server that skips time."""

    @pytest.fixture
    async def engine(
        self,
        skipping: WorkflowEnvironment,
        database: Database,
        receiver: Subscriber,
        policy: DeadlinePolicy,
    ) -> AsyncIterator[Engine]:
        engine = Engine(skipping.client, task_queue=f"test-{uuid4().hex}")

        def now() -> datetime:
            """The server's time, which is far ahead of ours."""
            started: datetime = activity.info().started_time
            return started

        async with (
            SafeClient(frozenset({receiver.host})) as http,
            make_worker(
                skipping.client, database, Policies(policy, CHAT), task_queue=engine.task_queue
            ),
            make_errand_worker(
                skipping.client, [CallWebhook(database, http, clock=now).call_webhook]
            ),
        ):
            yield engine

    async def test_lasting_failure_is_tried_ten_times_and_disables(
        self,
        skipping: WorkflowEnvironment,
        engine: Engine,
        database: Database,
        receiver: Subscriber,
    ) -> None:
        receiver.default = 500
        subscription_id = await receiver.subscribe(database)
        event_id = await ping(database, subscription_id)
        await engine.start_errand(Errand(kind=ErrandKind.WEBHOOK, id=event_id))
        await receiver.until_called(1)
        for times in range(2, 11):
            await skipping.sleep(timedelta(hours=20, minutes=1))
            await receiver.until_called(times)
        workflow_id = names.errand_workflow_id(ErrandKind.WEBHOOK, event_id)
        handle = skipping.client.get_workflow_handle(workflow_id)
        await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        assert receiver.ids == [webhook_event_id_text(event_id)] * 10
        assert await states(database) == ["failed"]
        async with database.begin() as session:
            found = await webhooks.get(session, subscription_id)
        assert (found.active, found.disabled_reason) == (False, "It took nothing for three days.")
        assert await errands(database) == 0
