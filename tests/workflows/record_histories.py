"""Record the histories that `test_replay.py` replays:

    .venv/bin/python -m tests.workflows.record_histories

Run it when a new version of a workflow has made histories of a new kind. It keeps the old files,
and writes those that are not there: workflows that began under the old ones may still be running
somewhere.
"""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from assistant.reply import ModelTrouble, handed_over
from channels.outlet import NotNow
from domain.assistance import AssistPolicy
from domain.conversation_life import (
    Close,
    ConversationPolicy,
    ConversationState,
    ToTicket,
    Transfer,
)
from domain.deadlines import DeadlinePolicy
from domain.deliveries import Limit
from domain.errands import Errand, ErrandKind
from domain.events import Event
from domain.models import (
    AuthorKind,
    ConversationStatus,
    DeliveryState,
    EventType,
    Priority,
    Side,
    TicketStatus,
    Visibility,
)
from domain.names import (
    TASK_QUEUE_THREADS,
    conversation_workflow_id,
    errand_workflow_id,
    ticket_workflow_id,
)
from domain.ticket_life import Assign, SetPriority, SetStatus, Snooze
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.embedded.temporal import EmbeddedTemporal
from holdfast.ports import free_port
from store import attendance, conversations, migrate, threads, tickets
from store.database import Database
from store.presences import Person
from tests.workflows.answering import ScriptedModel, assisted, spoken
from tests.workflows.chat_desk import ChatDesk
from tests.workflows.desk import Desk, thread_ref
from tests.workflows.outlets import RecordingOutlet, open_pushed, until_states
from workers.deliveries import make_delivery_worker
from workers.errands import make_errand_worker
from workers.threads import Policies, make_worker
from workflows.engine import Engine

HISTORIES = Path(__file__).parents[1] / "histories"
SOON = timedelta(seconds=1)
CHAT = ConversationPolicy(
    queue_timeout=SOON,
    agent_grace=SOON,
    customer_grace=timedelta(minutes=1),
    idle_timeout=4 * SOON,
)


async def answered_and_closed(desk: Desk) -> UUID:
    """What most tickets go through."""
    ticket_id = await desk.open()
    await desk.until_handled(ticket_id)
    await desk.change(ticket_id, Assign(agent_id="ada"), SetPriority(priority=Priority.HIGH))
    await desk.write(ticket_id, AuthorKind.AGENT)
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.PENDING_CUSTOMER)
    await desk.write(ticket_id, AuthorKind.CUSTOMER)
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.OPEN)
    await desk.change(ticket_id, SetStatus(status=TicketStatus.RESOLVED))
    await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
    return ticket_id


async def left_alone(desk: Desk) -> UUID:
    """Every timer rings: both deadlines, a snooze, and the close."""
    ticket_id = await desk.open(priority=Priority.URGENT)
    await desk.change(ticket_id, Snooze(until=datetime.now(UTC) + SOON))
    await desk.until(ticket_id, lambda state: state.snoozed_until is None)
    await desk.until(
        ticket_id, lambda state: all(each.breached_at for each in state.deadlines.values())
    )
    await desk.change(ticket_id, SetStatus(status=TicketStatus.RESOLVED))
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.CLOSED)
    return ticket_id


async def still_open(desk: Desk) -> UUID:
    """The workflow is asleep, with a timer running."""
    ticket_id = await desk.open()
    for author in (AuthorKind.AGENT, AuthorKind.CUSTOMER, AuthorKind.AGENT):
        await desk.write(ticket_id, author)
        await desk.until_handled(ticket_id)
    return ticket_id


async def accepted_and_closed(chat: ChatDesk) -> UUID:
    """What most conversations go through."""
    conversation_id = await chat.start()
    await chat.until_handled(conversation_id)
    await chat.say(conversation_id, AuthorKind.CUSTOMER)
    await chat.accept(conversation_id, "bob")
    for author in (AuthorKind.AGENT, AuthorKind.CUSTOMER, AuthorKind.AGENT):
        await chat.say(conversation_id, author)
        await chat.until_handled(conversation_id)
    await chat.order(conversation_id, Close(agent_id="bob"), "bob")
    return conversation_id


async def timed_out_and_idle(chat: ChatDesk) -> UUID:
    """Nobody is free, then nobody says anything; words put the end for silence off."""
    conversation_id = await chat.start()
    await chat.until(conversation_id, lambda state: state.queue_timeout_at is None)
    await chat.say(conversation_id, AuthorKind.CUSTOMER)
    await chat.until(conversation_id, lambda state: state.status is ConversationStatus.CLOSED)
    return conversation_id


async def handed_to_ticket(chat: ChatDesk) -> UUID:
    """The customer comes, the agent goes, the next one hands it on, and it becomes a ticket."""
    conversation_id = await chat.start()
    async with chat.database.begin() as session:
        customer = (await conversations.find(session, conversation_id)).customer
    process_id = await _note(chat, Person(Side.CUSTOMER, str(customer.id)), None)
    await chat.accept(conversation_id, "bob")
    await chat.until(conversation_id, _is_connected)
    bob = Person(Side.AGENT, "bob")
    await _note(chat, bob, None, process_id)
    await _note(chat, bob, datetime.now(UTC) - 2 * SOON, process_id)
    async with chat.database.begin() as session:
        told = (await attendance.sweep(session)).told
    for ref in told:
        await chat.engine.nudge(ref)
    await chat.until(conversation_id, lambda state: state.agent_id is None)
    await chat.accept(conversation_id, "eve")
    await chat.order(conversation_id, Transfer(to_agent_id="bob", agent_id="eve"), "eve")
    await chat.say(conversation_id, AuthorKind.CUSTOMER)
    await chat.order(conversation_id, ToTicket(agent_id="bob"), "bob")
    return conversation_id


async def helped_and_handed_over(desk: Desk | ChatDesk, model: ScriptedModel) -> UUID:
    """The assistant is interrupted, fails, answers, and hands over."""
    model.troubles, model.replies = [ModelTrouble("429")], []
    model.gate.clear()
    model.thinking.clear()
    thread_id = await (desk.open() if isinstance(desk, Desk) else desk.start())
    if isinstance(desk, ChatDesk):
        await desk.say(thread_id, AuthorKind.CUSTOMER)
    await model.thinking.wait()
    await _say(desk, thread_id)
    model.gate.set()
    await _until_spoken(desk, thread_id, 1)
    model.replies = [handed_over("not_sure")]
    await _say(desk, thread_id)
    await _until_spoken(desk, thread_id, 2)
    await desk.until_handled(thread_id)
    return thread_id


async def answered_outside(desk: Desk, outlet: RecordingOutlet) -> UUID:
    """Replies go out in pieces, the first of which is refused once; then the customer is erased."""
    outlet.fails["one two"] = [NotNow(retry_after=SOON / 10)]
    ticket_id = await open_pushed(desk, outlet.name)
    await desk.write(ticket_id, AuthorKind.AGENT, "one two three four")
    await desk.write(ticket_id, AuthorKind.AGENT, "five")
    await until_states(desk, ticket_id, DeliveryState.SENT, DeliveryState.SENT)
    await desk.until_handled(ticket_id)
    async with desk.database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        erased = Event(type=EventType.ERASED, visibility=Visibility.PUBLIC)
        await threads.append_event(session, row.locked, erased)
    await desk.engine.nudge(thread_ref(ticket_id))
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.CLOSED)
    return ticket_id


async def done_at_the_second_attempt(client: Client) -> Errand:
    """An errand whose activity fails once."""
    errand = Errand(kind=ErrandKind.WEBHOOK, id=uuid4())
    attempts: list[UUID] = []

    @activity.defn(name=ErrandKind.WEBHOOK)
    async def call(event_id: UUID) -> None:
        attempts.append(event_id)
        if len(attempts) < 2:
            raise RuntimeError("not yet")

    async with make_errand_worker(client, [call]):
        await Engine(client).start_errand(errand)
        workflow_id = errand_workflow_id(errand.kind, errand.id)
        await client.get_workflow_handle(workflow_id).result()
    return errand


async def _say(desk: Desk | ChatDesk, thread_id: UUID) -> None:
    if isinstance(desk, Desk):
        await desk.write(thread_id, AuthorKind.CUSTOMER)
    else:
        await desk.say(thread_id, AuthorKind.CUSTOMER)


async def _until_spoken(desk: Desk | ChatDesk, thread_id: UUID, times: int) -> None:
    while len(spoken(await desk.log(thread_id))) < times:
        await asyncio.sleep(0.02)


async def _note(
    chat: ChatDesk, person: Person, gone_at: datetime | None, process_id: UUID | None = None
) -> UUID:
    """Note that somebody came or went, and have it looked at."""
    process_id = process_id or uuid4()
    async with chat.database.begin() as session:
        await attendance.beat(session, process_id)
        told = await attendance.note(session, process_id, {person: gone_at})
    for ref in told:
        await chat.engine.nudge(ref)
    return process_id


def _is_connected(state: ConversationState) -> bool:
    return state.status is ConversationStatus.CONNECTED


async def record() -> None:
    policy = DeadlinePolicy(
        first_response=dict.fromkeys(Priority, timedelta(hours=1)) | {Priority.URGENT: SOON},
        resolution=dict.fromkeys(Priority, timedelta(hours=2)) | {Priority.URGENT: 2 * SOON},
        auto_close=SOON,
    )
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedPostgres(Path(folder) / "postgres", durable=False) as postgres,
            EmbeddedTemporal(port=free_port(), output=Path(folder) / "temporal.log") as temporal,
        ):
            await asyncio.to_thread(migrate.upgrade, postgres.dsn)
            database = Database(postgres.dsn)
            client = await Client.connect(temporal.address, data_converter=pydantic_data_converter)
            desk = Desk(database, Engine(client), policy)
            chat = ChatDesk(database, Engine(client), CHAT)
            async with make_worker(
                client, database, Policies(policy, CHAT), task_queue=TASK_QUEUE_THREADS
            ):
                for scenario in (answered_and_closed, left_alone, still_open):
                    file = HISTORIES / f"ticket_{scenario.__name__}.json"
                    if not file.exists():
                        await _keep(client, ticket_workflow_id(await scenario(desk)), file)
                await chat.hire("bob", "eve")
                for episode in (accepted_and_closed, timed_out_and_idle, handed_to_ticket):
                    file = HISTORIES / f"conversation_{episode.__name__}.json"
                    if not file.exists():
                        await _keep(client, conversation_workflow_id(await episode(chat)), file)
                await _record_the_outside(client, desk)
            await _record_the_assistant(client, desk, chat)
            await database.close()
            await asyncio.sleep(1)


async def _record_the_outside(client: Client, desk: Desk) -> None:
    file = HISTORIES / f"ticket_{answered_outside.__name__}.json"
    if not file.exists():
        outlet = RecordingOutlet(looks=False, limits=[Limit(100, SOON)], longest=9)
        async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
            ticket_id = await answered_outside(desk, outlet)
            await _keep(client, ticket_workflow_id(ticket_id), file)
    file = HISTORIES / f"errand_{done_at_the_second_attempt.__name__}.json"
    if not file.exists():
        errand = await done_at_the_second_attempt(client)
        await _keep(client, errand_workflow_id(errand.kind, errand.id), file)


async def _record_the_assistant(client: Client, desk: Desk, chat: ChatDesk) -> None:
    model = ScriptedModel()
    policy = AssistPolicy(model=True)
    async with assisted(client, desk.database, Engine(client), desk.policy, policy, model):
        scenario = helped_and_handed_over
        file = HISTORIES / f"ticket_{scenario.__name__}.json"
        if not file.exists():
            await _keep(client, ticket_workflow_id(await scenario(desk, model)), file)
        file = HISTORIES / f"conversation_{scenario.__name__}.json"
        if not file.exists():
            await _keep(client, conversation_workflow_id(await scenario(chat, model)), file)


async def _keep(client: Client, workflow_id: str, file: Path) -> None:
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    await asyncio.to_thread(file.write_text, history.to_json() + "\n")


if __name__ == "__main__":
    asyncio.run(record())
