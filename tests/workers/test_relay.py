"""What the relay makes up for, with a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, Priority, ThreadRef, TicketStatus
from domain.names import ticket_workflow_id
from holdfast.embedded.temporal import EmbeddedTemporal
from store import engine_state
from store.database import Database
from tests.workflows.desk import Desk, thread_ref
from tests.workflows.policies import CHAT
from workers.relay import Relay
from workers.threads import Policies, make_worker
from workflows.engine import Engine, Facts

HOUR = timedelta(hours=1)
POLICY = DeadlinePolicy(
    first_response=dict.fromkeys(Priority, HOUR),
    resolution=dict.fromkeys(Priority, 2 * HOUR),
    auto_close=HOUR,
)


class Deaf(Engine):
    """Every nudge through this door is lost."""

    async def nudge(self, thread: ThreadRef, facts: Facts | None = None) -> None:
        return


@pytest.fixture
async def client(temporal_server: EmbeddedTemporal) -> Client:
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@pytest.fixture
async def desk(client: Client, database: Database) -> AsyncIterator[Desk]:
    """A worker runs; whoever writes here has their nudges lost."""
    engine = Deaf(client, task_queue=f"test-{uuid4().hex}")
    async with make_worker(client, database, Policies(POLICY, CHAT), task_queue=engine.task_queue):
        yield Desk(database, engine, POLICY)


@pytest.fixture
async def relay(client: Client, desk: Desk) -> AsyncIterator[None]:
    """The relay runs."""
    engine = Engine(client, task_queue=desk.engine.task_queue)
    running = asyncio.create_task(Relay(desk.database, engine).run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def runs(client: Client, ticket_id: UUID) -> bool:
    description = await client.get_workflow_handle(ticket_workflow_id(ticket_id)).describe()
    return description.status is not None and description.status.name == "RUNNING"


async def mark_all_handled(database: Database) -> None:
    async with database.begin() as session:
        await session.execute(text("UPDATE threads SET handled_seq = last_seq"))


@pytest.mark.usefixtures("relay")
class TestOverdue:
    async def test_lost_start_is_made_up_for(self, desk: Desk) -> None:
        await desk.until_handled(await desk.open())

    async def test_lost_nudge_is_made_up_for(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.until_handled(ticket_id)
        await desk.write(ticket_id, AuthorKind.AGENT)
        await desk.until(ticket_id, lambda state: state.status is TicketStatus.PENDING_CUSTOMER)


class TestRestoring:
    async def test_open_ticket_without_workflow_gets_one(
        self, desk: Desk, client: Client, relay: None
    ) -> None:
        """Nothing is behind, and yet the deadlines need somebody to keep them."""
        ticket_id = await desk.open()
        await desk.until_handled(ticket_id)
        handle = client.get_workflow_handle(ticket_workflow_id(ticket_id))
        await handle.terminate()
        async with desk.database.begin() as session:
            await engine_state.remember_namespace(session, "another one")
        async with asyncio.timeout(20):
            while not await runs(client, ticket_id):
                await asyncio.sleep(0.05)
        engine = Engine(client, task_queue=desk.engine.task_queue)
        view = await engine.process(thread_ref(ticket_id))
        assert [alarm.what for alarm in view.alarms] == ["first response due", "resolution due"]

    async def test_namespace_is_remembered_when_all_is_restored(
        self, desk: Desk, client: Client, relay: None
    ) -> None:
        namespace_id = await desk.engine.namespace_id()
        async with asyncio.timeout(20):
            while True:
                async with desk.database.begin() as session:
                    if await engine_state.namespace_id(session) == namespace_id:
                        break
                await asyncio.sleep(0.05)


async def test_several_relays_nudge_a_thread_once(desk: Desk, client: Client) -> None:
    nudged: list[UUID] = []

    class Counting(Engine):
        async def nudge(self, thread: ThreadRef, facts: Facts | None = None) -> None:
            nudged.append(thread.id)

        async def running(self, threads: Iterable[ThreadRef]) -> set[UUID]:
            return {thread.id for thread in threads}

    opened = [await desk.open() for _ in range(20)]
    async with desk.database.begin() as session:
        await session.execute(text("UPDATE threads SET nudge_due_at = now()"))
    engine = Counting(client)
    relays = [asyncio.create_task(Relay(desk.database, engine).run()) for _ in range(4)]
    async with asyncio.timeout(20):
        while len(set(nudged)) < len(opened):
            await asyncio.sleep(0.01)
    for each in relays:
        each.cancel()
    await asyncio.gather(*relays, return_exceptions=True)
    assert sorted(nudged) == sorted(opened)
