"""The loop that notices who has gone, with a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.conversation_life import ConversationPolicy, Transfer
from domain.models import ConversationStatus, Side
from holdfast.embedded.temporal import EmbeddedTemporal
from store import agents, attendance, conversations
from store.database import Database
from store.presences import Person
from tests.store.writing import POLICY as TICKETS
from tests.workflows.chat_desk import ChatDesk
from workers import attendance as attendance_loop
from workers.attendance import keep_attendance
from workers.threads import Policies, make_worker
from workflows.engine import Engine

POLICY = ConversationPolicy(
    queue_timeout=timedelta(hours=1),
    agent_grace=timedelta(milliseconds=300),
    # Longer than it takes an agent to accept, however busy the machine.
    customer_grace=timedelta(seconds=5),
    idle_timeout=timedelta(hours=1),
)
BOB = Person(Side.AGENT, "bob")


@pytest.fixture
async def chat(temporal_server: EmbeddedTemporal, database: Database) -> AsyncIterator[ChatDesk]:
    """A worker runs, and two loops side by side."""
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    engine = Engine(client, task_queue=f"test-{uuid4().hex}")
    policies = Policies(TICKETS, POLICY)
    async with make_worker(client, database, policies, task_queue=engine.task_queue):
        loops = [asyncio.create_task(keep_attendance(database, engine)) for _ in range(2)]
        yield ChatDesk(database, engine, POLICY)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


@pytest.fixture
async def process_id(database: Database) -> UUID:
    process_id = uuid4()
    async with database.begin() as session:
        await attendance.beat(session, process_id)
    return process_id


async def stay_alive(database: Database, process_id: UUID) -> None:
    """Until cancelled, as an api process does."""
    while True:
        async with database.begin() as session:
            await attendance.beat(session, process_id)
        await asyncio.sleep(0.3)


async def note(
    database: Database, process_id: UUID, person: Person, gone_at: datetime | None = None
) -> None:
    async with database.begin() as session:
        await attendance.note(session, process_id, {person: gone_at})


async def customer_of(chat: ChatDesk, conversation_id: UUID) -> Person:
    async with chat.database.begin() as session:
        row = await conversations.find(session, conversation_id)
    return Person(Side.CUSTOMER, str(row.customer.id))


async def test_agent_who_left_loses_the_conversation(chat: ChatDesk, process_id: UUID) -> None:
    await chat.hire("bob")
    conversation_id = await chat.start()
    await note(chat.database, process_id, BOB)
    await chat.accept(conversation_id, "bob")
    await note(chat.database, process_id, BOB, datetime.now(UTC))
    state = await chat.until(
        conversation_id, lambda state: state.status is ConversationStatus.QUEUED
    )
    assert (state.agent_id, state.released_by) == (None, None)
    assert (await chat.events(conversation_id)).count("disconnected") == 1


async def test_agent_whose_process_was_killed_does_too(chat: ChatDesk, process_id: UUID) -> None:
    await chat.hire("bob")
    conversation_id = await chat.start()
    await note(chat.database, process_id, BOB)
    await chat.accept(conversation_id, "bob")
    # It says no more that it is alive.
    await chat.until(conversation_id, lambda state: state.status is ConversationStatus.QUEUED)


async def test_agent_who_is_back_at_another_process_keeps_it(
    chat: ChatDesk, process_id: UUID
) -> None:
    await chat.hire("bob")
    conversation_id = await chat.start()
    await note(chat.database, process_id, BOB)
    await chat.accept(conversation_id, "bob")
    other = uuid4()
    beating = asyncio.create_task(stay_alive(chat.database, other))
    await until_alive(chat.database, other)
    await note(chat.database, other, BOB)
    await until_forgotten(chat.database, process_id)
    assert (await chat.state(conversation_id)).agent_id == "bob"
    assert "disconnected" not in await chat.events(conversation_id)
    beating.cancel()


async def test_customer_who_left_the_queue_is_not_waited_for(
    chat: ChatDesk, process_id: UUID
) -> None:
    conversation_id = await chat.start()
    customer = await customer_of(chat, conversation_id)
    await note(chat.database, process_id, customer)
    await note(chat.database, process_id, customer, datetime.now(UTC))
    await chat.until(conversation_id, lambda state: state.status is ConversationStatus.CLOSED)


async def test_conversation_of_who_was_never_there_goes_back_to_the_queue(
    chat: ChatDesk, process_id: UUID
) -> None:
    await chat.hire("bob")
    async with chat.database.begin() as session:
        await agents.add(session, "zoe", "Zoe")
    conversation_id = await chat.start()
    await chat.accept(conversation_id, "bob")
    await chat.order(conversation_id, Transfer(to_agent_id="zoe", agent_id="bob"), "bob")
    await chat.until(conversation_id, lambda state: state.status is ConversationStatus.QUEUED)


async def test_crowd_that_leaves_is_told_without_pauses(chat: ChatDesk) -> None:
    """As when an api process is killed."""
    crowd = 1000
    async with chat.database.begin() as session:
        await session.execute(
            text("INSERT INTO api_processes VALUES (:id, now() - interval '1 minute')"),
            {"id": (process_id := uuid4())},
        )
        await session.execute(
            text(
                """
                INSERT INTO presences (process_id, person)
                SELECT :id, 'customer/' || gen_random_uuid() FROM generate_series(1, :crowd)
                """
            ),
            {"id": process_id, "crowd": crowd},
        )
    turns = crowd / attendance_loop.AT_ONCE
    async with asyncio.timeout(turns * attendance_loop.PAUSE / 2):
        await _until(chat.database, process_id, there=False)


async def test_nudge_that_hangs_holds_nobody_up(
    chat: ChatDesk, process_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(chat.engine, "nudge", hang)
    for _ in range(3):
        conversation_id = await chat.start(nudge=False)
        customer = await customer_of(chat, conversation_id)
        async with chat.database.begin() as session:
            await attendance.beat(session, process_id)
        await note(chat.database, process_id, customer)
        await note(chat.database, process_id, customer, datetime.now(UTC))
        async with asyncio.timeout(5):
            while "disconnected" not in await chat.events(conversation_id):
                await asyncio.sleep(0.02)


async def until_alive(database: Database, process_id: UUID) -> None:
    await _until(database, process_id, there=True)


async def until_forgotten(database: Database, process_id: UUID) -> None:
    await _until(database, process_id, there=False)


async def _until(database: Database, process_id: UUID, *, there: bool) -> None:
    query = text("SELECT count(*) FROM api_processes WHERE id = :id")
    async with asyncio.timeout(20):
        while True:
            async with database.begin() as session:
                if (await session.scalar(query, {"id": process_id})) == there:
                    return
            await asyncio.sleep(0.02)
