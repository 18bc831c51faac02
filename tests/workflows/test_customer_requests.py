"""What is wanted of customers, carried out by errands on a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from activities.customers import CustomerActivities
from domain.errors import Conflict
from domain.models import AuthorKind, Channel, ConversationStatus, TicketStatus
from domain.names import conversation_workflow_id, ticket_workflow_id
from store import conversations, customer_requests, customers, erasing, merging, tickets
from store.blobs import Blobs
from store.customer_requests import RequestState
from store.customer_tables import CustomerRequest
from store.customers import Introduction
from store.database import Database
from store.erased_rows import ERASED
from store.tickets import Written
from tests.store.people import erase, heard, merge, owner_of, somebody
from tests.workflows.chat_desk import ChatDesk
from tests.workflows.desk import PATIENCE, Desk, thread_ref
from tests.workflows.outlets import RecordingOutlet
from tests.workflows.policies import CHAT
from workers.deliveries import make_delivery_worker
from workers.errands import make_errand_worker
from workers.relay import Relay
from workflows.conversation import ConversationWorkflow
from workflows.engine import Engine
from workflows.ticket import TicketWorkflow

CANARY, ADDRESS = "Zanzibar", "zanzibar-4917"


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(tmp_path)


@pytest.fixture
async def errands(
    client: Client, engine: Engine, database: Database, desk: Desk, blobs: Blobs
) -> AsyncIterator[None]:
    """They are done, as is what they ask of the threads' workflows."""
    activities = CustomerActivities(database, blobs)
    relay = asyncio.create_task(Relay(database, engine).run())
    outlet = RecordingOutlet()
    outlet.name = "whatsapp-1"
    async with (
        make_errand_worker(client, [activities.carry_out]),
        make_delivery_worker(client, database, outlet, timedelta(hours=1)),
    ):
        yield
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay


async def until_over(database: Database, request: CustomerRequest) -> RequestState:
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            async with database.begin() as session:
                state = (await customer_requests.get(session, request.id)).state
            if state != RequestState.PENDING:
                return RequestState(state)
            await asyncio.sleep(0.05)


async def hear(desk: Desk, words: str) -> Written:
    return await heard(desk.database, ADDRESS, words)


async def open_ticket(desk: Desk) -> UUID:
    """Of the person whose address it is."""
    ticket_id = (await hear(desk, f"I am {CANARY}")).ticket_id
    await desk.engine.nudge(thread_ref(ticket_id))
    await desk.until_handled(ticket_id)
    return ticket_id


async def history_of(client: Client, workflow_id: str) -> str:
    handle = client.get_workflow_handle(workflow_id)
    async with asyncio.timeout(PATIENCE):
        while (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)
    history = await handle.fetch_history()
    replayer = Replayer(
        workflows=[TicketWorkflow, ConversationWorkflow], data_converter=pydantic_data_converter
    )
    await replayer.replay_workflow(history)
    return history.to_json()


@pytest.mark.usefixtures("errands")
class TestErasing:
    async def test_open_ticket_ends_and_its_history_tells_nothing(
        self, client: Client, desk: Desk
    ) -> None:
        ticket_id = await open_ticket(desk)
        await desk.write(ticket_id, AuthorKind.AGENT, f"Dear {CANARY}")
        await desk.write(ticket_id, AuthorKind.CUSTOMER, f"{CANARY} again")
        customer_id = await owner_of(desk.database, ticket_id)
        request = await erase(desk.database, customer_id)
        assert await until_over(desk.database, request) == RequestState.DONE
        assert (await desk.state(ticket_id)).status is TicketStatus.CLOSED
        log = await desk.log(ticket_id)
        assert {each.content for each in log if each.event is None} == {ERASED}
        assert [each.event["type"] for each in log if each.event][-2:] == [
            "erased",
            "status_changed",
        ]
        told = (await history_of(client, ticket_workflow_id(ticket_id))).lower()
        assert "zanzibar" not in told
        assert "whatsapp" in told

    async def test_live_conversation_ends(self, client: Client, desk: Desk) -> None:
        chat = ChatDesk(desk.database, desk.engine, CHAT)
        conversation_id = await chat.start()
        await chat.say(conversation_id, AuthorKind.CUSTOMER, f"I am {CANARY}")
        await chat.hire("bob")
        await chat.accept(conversation_id, "bob")
        async with chat.database.begin() as session:
            row = await conversations.find(session, conversation_id)
        request = await erase(chat.database, row.customer.id)
        assert await until_over(chat.database, request) == RequestState.DONE
        state = await chat.state(conversation_id)
        assert (state.status, state.as_ticket) == (ConversationStatus.CLOSED, False)
        assert CANARY not in str(await chat.log(conversation_id))
        assert CANARY not in await history_of(client, conversation_workflow_id(conversation_id))

    async def test_goes_on_where_it_died(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        owned = []
        for _ in range(4):
            ticket_id = await open_ticket(desk)
            owned.append(ticket_id)
            await _close(desk, ticket_id)
        customer_id = await somebody(desk.database, ADDRESS)
        steps = {
            "forget_names": erasing.forget_names,
            "erase_thread": erasing.erase_thread,
            "forget_mentions": erasing.forget_mentions,
        }
        died = dict.fromkeys(steps, 0)

        for name, step in steps.items():

            async def once(*args: object, name: str = name, step: object = step) -> object:
                result = await step(*args)  # type: ignore[operator]
                died[name] += 1
                if died[name] == (3 if name == "erase_thread" else 1):
                    raise ConnectionError
                return result

            monkeypatch.setattr(erasing, name, once)
        request = await erase(desk.database, customer_id)
        assert await until_over(desk.database, request) == RequestState.DONE
        assert died["erase_thread"] == len(owned)
        for ticket_id in owned:
            assert CANARY not in str(await desk.log(ticket_id))

    async def test_what_is_said_meanwhile_is_a_new_persons(self, desk: Desk) -> None:
        first = await open_ticket(desk)
        customer_id = await owner_of(desk.database, first)
        request = await erase(desk.database, customer_id)

        async def talk() -> set[UUID]:
            went = set()
            while True:
                went.add((await hear(desk, f"{CANARY} again")).ticket_id)
                with suppress(Conflict):
                    await desk.write(first, AuthorKind.AGENT, f"Dear {CANARY}")
                async with desk.database.begin() as session:
                    if (await customer_requests.get(session, request.id)).finished_at is not None:
                        return went
                await asyncio.sleep(0.02)

        state, went = await asyncio.gather(until_over(desk.database, request), talk())
        assert state == RequestState.DONE
        for ticket_id in went:
            of_erased = await owner_of(desk.database, ticket_id) == customer_id
            assert (CANARY in str(await desk.log(ticket_id))) is not of_erased
        async with desk.database.begin() as session:
            known = Introduction(Channel.WHATSAPP, identities=(ADDRESS,))
            assert (await customers.meet(session, known)).id != customer_id


@pytest.mark.usefixtures("errands")
class TestMerging:
    async def test_messages_that_arrive_meanwhile_end_at_the_other(self, desk: Desk) -> None:
        active = await open_ticket(desk)
        left = await owner_of(desk.database, active)
        into = await somebody(desk.database, "49171")
        request = await merge(desk.database, left, into)
        went = set()
        async with asyncio.timeout(PATIENCE):
            state = RequestState.PENDING
            while state == RequestState.PENDING:
                went.add((await hear(desk, "more")).ticket_id)
                async with desk.database.begin() as session:
                    found = await customer_requests.get(session, request.id)
                    state = RequestState(found.state)
        assert (state, went) == (RequestState.DONE, {active})
        assert await owner_of(desk.database, active) == into

    async def test_workflow_of_a_moved_ticket_goes_on(self, desk: Desk) -> None:
        ticket_id = await open_ticket(desk)
        left = await owner_of(desk.database, ticket_id)
        into = await somebody(desk.database, "49171")
        assert await until_over(desk.database, await merge(desk.database, left, into)) == "done"
        await desk.write(ticket_id, AuthorKind.AGENT, "Hello")
        await desk.until(ticket_id, lambda state: state.status is TicketStatus.PENDING_CUSTOMER)

    async def test_goes_on_where_it_died(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        owned = []
        for _ in range(3):
            owned.append(await open_ticket(desk))
            await _close(desk, owned[-1])
        merge_some = merging._merge_some
        times = 0

        async def dying(database: Database, request: CustomerRequest, batch: int) -> bool:
            nonlocal times
            times += 1
            more = await merge_some(database, request, 1)
            if times == 2:
                raise ConnectionError
            return more

        monkeypatch.setattr(merging, "_merge_some", dying)
        left = await somebody(desk.database, ADDRESS)
        into = await somebody(desk.database, "49171")
        assert await until_over(desk.database, await merge(desk.database, left, into)) == "done"
        assert {await owner_of(desk.database, each) for each in owned} == {into}


async def _close(desk: Desk, ticket_id: UUID) -> None:
    async with desk.database.begin() as session:
        state, thread = await tickets.load(session, ticket_id)
        closed = {"status": TicketStatus.CLOSED, "version": state.version + 1}
        await tickets.record(session, thread, state.model_copy(update=closed), [])
