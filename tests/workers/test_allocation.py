"""Automatic assignment, with a real Temporal server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.conversation_life import ChangeConversation, Close, ConversationState, Release
from domain.models import ConversationStatus, Side, ThreadRef
from holdfast.embedded.temporal import EmbeddedTemporal
from store import agents, allocator, attendance
from store.database import Database
from store.presences import Person
from tests.store.writing import POLICY as TICKETS
from tests.workflows.chat_desk import ChatDesk
from tests.workflows.policies import CHAT
from workers.allocation import assign_forever
from workers.threads import Policies, make_worker
from workflows.engine import Engine

POLICY = CHAT.model_copy(update={"agent_grace": timedelta(milliseconds=300)})
BOB = Person(Side.AGENT, "bob")
SOON = 1.0
"""Seconds within which who waits is offered."""


@pytest.fixture
async def chat(temporal_server: EmbeddedTemporal, database: Database) -> AsyncIterator[ChatDesk]:
    """A worker runs, and two allocators side by side."""
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    engine = Engine(client, task_queue=f"test-{uuid4().hex}")
    policies = Policies(TICKETS, POLICY)
    async with make_worker(client, database, policies, task_queue=engine.task_queue):
        loops = [asyncio.create_task(assign_forever(database, engine, 3)) for _ in range(2)]
        yield ChatDesk(database, engine, POLICY)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


def is_assigned(state: ConversationState) -> bool:
    return state.status is ConversationStatus.ASSIGNED


async def assigned_soon(chat: ChatDesk, conversation_id: UUID) -> str | None:
    """To whom it was given; fails when nobody got it within a second, and some for the machine."""
    async with asyncio.timeout(SOON + 2):
        return (await chat.until(conversation_id, is_assigned)).agent_id


async def is_released(chat: ChatDesk, conversation_id: UUID) -> None:
    await chat.until(conversation_id, lambda state: state.released_at is not None)


async def nudge_all(chat: ChatDesk, told: list[ThreadRef]) -> None:
    for thread in told:
        await chat.engine.nudge(thread)


async def several_looks() -> None:
    """Time in which both allocators would have done something, had they anything to do."""
    await asyncio.sleep(4 * 0.25)


async def load_of(chat: ChatDesk, agent_id: str) -> int:
    async with chat.database.begin() as session:
        return await allocator.active(session, agent_id)


async def test_waiting_customer_is_offered_when_an_agent_comes_online(chat: ChatDesk) -> None:
    conversation_id = await chat.start()
    await chat.until_handled(conversation_id)
    await chat.hire("bob")
    assert await assigned_soon(chat, conversation_id) == "bob"


async def test_new_customer_is_offered_to_the_least_loaded(chat: ChatDesk) -> None:
    await chat.hire("bob")
    await assigned_soon(chat, await chat.start())
    await chat.hire("eve")
    assert await assigned_soon(chat, await chat.start()) == "eve"


async def test_oldest_is_first_when_room_frees(chat: ChatDesk) -> None:
    await chat.hire("bob", capacity=1)
    busy = await chat.start()
    await assigned_soon(chat, busy)
    oldest, youngest = await chat.start(), await chat.start()
    await chat.order(busy, Close(agent_id="bob"))
    assert await assigned_soon(chat, oldest) == "bob"
    assert (await chat.state(youngest)).status is ConversationStatus.QUEUED


async def test_tags_are_respected(chat: ChatDesk) -> None:
    await chat.hire("bob", tags=("sales",))
    await chat.hire("eve", tags=("billing",))
    assert await assigned_soon(chat, await chat.start(tags=("billing",))) == "eve"


async def test_given_back_goes_to_another(chat: ChatDesk) -> None:
    await chat.hire("bob")
    conversation_id = await chat.start()
    await assigned_soon(chat, conversation_id)
    await chat.order(conversation_id, Release(agent_id="bob"), "bob")
    await several_looks()
    assert (await chat.state(conversation_id)).status is ConversationStatus.QUEUED
    await chat.hire("eve")
    assert await assigned_soon(chat, conversation_id) == "eve"


async def test_agent_who_was_gone_and_is_back_gets_it_again(chat: ChatDesk) -> None:
    await chat.hire("bob")
    conversation_id = await chat.start()
    await assigned_soon(chat, conversation_id)
    process_id = uuid4()
    async with chat.database.begin() as session:
        await attendance.beat(session, process_id)
        gone_at = datetime.now(UTC) - timedelta(minutes=1)
        await attendance.note(session, process_id, {BOB: gone_at})
    async with chat.database.begin() as session:
        told = (await attendance.sweep(session)).told
    await nudge_all(chat, told)
    await is_released(chat, conversation_id)
    async with chat.database.begin() as session:
        told = await attendance.note(session, process_id, {BOB: None})
    await nudge_all(chat, told)
    assert await assigned_soon(chat, conversation_id) == "bob"


async def test_agent_who_signed_off_and_is_back_gets_it_again(chat: ChatDesk) -> None:
    await chat.hire("bob")
    conversation_id = await chat.start()
    await assigned_soon(chat, conversation_id)
    async with chat.database.begin() as session:
        await agents.set_duty(session, "bob", on_duty=False)
    async with chat.database.begin() as session:
        told = await attendance.sign_off(session, "bob")
    await nudge_all(chat, told)
    await is_released(chat, conversation_id)
    await chat.hire("bob")
    assert await assigned_soon(chat, conversation_id) == "bob"


async def test_agent_off_duty_gets_nothing(chat: ChatDesk) -> None:
    await chat.hire("bob")
    async with chat.database.begin() as session:
        await agents.set_duty(session, "bob", on_duty=False)
    conversation_id = await chat.start()
    await several_looks()
    assert (await chat.state(conversation_id)).agent_id is None


async def test_rush_fills_every_place_and_no_more(chat: ChatDesk) -> None:
    """Two allocators, and an agent who takes what they can by hand."""
    ids = [await chat.start() for _ in range(20)]
    await chat.hire("bob", "eve")
    await asyncio.gather(*(chat.accept(each, "bob") for each in ids[:6]), return_exceptions=True)
    async with asyncio.timeout(20):
        while await load_of(chat, "bob") + await load_of(chat, "eve") < 6:
            await asyncio.sleep(0.02)
    await several_looks()
    taken = Counter([(await chat.state(each)).agent_id for each in ids])
    assert taken == {"bob": 3, "eve": 3, None: 14}


async def test_workflow_that_hangs_holds_nobody_up(
    chat: ChatDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is first in line for the only place."""
    change = chat.engine.change_conversation
    hanging = await chat.start()

    async def change_or_hang(conversation_id: UUID, order: ChangeConversation, cause: str) -> None:
        if conversation_id == hanging:
            await asyncio.Event().wait()
        await change(conversation_id, order, cause)

    monkeypatch.setattr(chat.engine, "change_conversation", change_or_hang)
    following = await chat.start()
    await chat.hire("bob", capacity=1)
    await chat.until(following, is_assigned)


async def test_each_is_given_once(chat: ChatDesk) -> None:
    await chat.hire("bob", "eve", capacity=10)
    ids = [await chat.start() for _ in range(10)]
    for each in ids:
        await chat.until(each, is_assigned)
    for each in ids:
        assert (await chat.events(each)).count("assigned") == 1
    assert await load_of(chat, "bob") == await load_of(chat, "eve") == 5
