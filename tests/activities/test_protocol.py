"""append, nudge, advance, relay: in any order, with anything lost, doubled or killed in between.

Real are the log, the activities and the rules. Played is what Temporal does: it holds a
workflow's memory as of its last finished task, gives a killed task to the next worker with that
memory, and can be wiped.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from activities.tickets import TicketActivities
from domain import ticket_rules as rules
from domain.assistance import AssistPolicy
from domain.deadlines import DeadlinePolicy
from domain.events import Head
from domain.ids import new_id
from domain.life import Loaded, Look, Seen
from domain.models import AuthorKind, Channel, Priority, TicketStatus
from domain.ticket_life import TicketInput, TicketState
from store import reading, threads, tickets
from store.customers import Introduction, meet
from store.database import Database
from store.reading import Entry
from store.threads import Draft
from store.tickets import NewTicket

DAY = timedelta(days=1)
POLICY = DeadlinePolicy(
    first_response=dict.fromkeys(Priority, DAY),
    resolution=dict.fromkeys(Priority, DAY),
    auto_close=DAY,
)
AUTHORS = st.sampled_from([AuthorKind.CUSTOMER, AuthorKind.AGENT])


@dataclass
class Memory:
    """What a workflow knows: where the ticket stands, and what it has still to look at."""

    loaded: Loaded[TicketState, DeadlinePolicy]
    heads: list[Head]


class Desk:
    """One ticket and its workflow."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.activities = TicketActivities(database, POLICY, timedelta(minutes=15), AssistPolicy())
        self.ticket_id: UUID
        self.nudges = 0
        """On their way to Temporal."""
        self.awake = False
        self.memory: Memory | None = None
        """In the worker, as of now."""
        self.finished: Memory | None = None
        """In the history, as of the last finished task; None: no workflow was started."""

    async def open(self) -> None:
        async with self.database.begin() as session:
            customer = await meet(session, Introduction(Channel.WEB, name="Ada"))
            new = NewTicket(customer.id, Channel.WEB, "Help")
            first = Draft(AuthorKind.CUSTOMER, "Hello")
            written = await tickets.open_ticket(session, new, first, POLICY)
        self.ticket_id = written.ticket_id
        self.nudges += written.entry.nudge

    async def append(self, author: AuthorKind, external_id: str | None = None) -> None:
        async with self.database.begin() as session:
            draft = Draft(author, "text", source="test", external_id=external_id)
            row = await tickets.find(session, self.ticket_id, lock=True)
            written = await tickets.write(session, row, draft, POLICY)
        self.nudges += written.entry.nudge

    def receive_nudge(self) -> None:
        self.awake = True

    async def work(self, *, dies: bool = False) -> None:
        """One step of the workflow. With `dies`, the worker is killed after the database has
        committed and before Temporal is told."""
        if self.memory is None and self.finished is not None:
            self.memory = _copy(self.finished)
        if self.memory is None:
            loaded = await self.activities.load_ticket(TicketInput(ticket_id=self.ticket_id))
            self.memory = Memory(loaded, [])
        seen = await self._look(self.memory)
        if dies:
            self.memory = None
        elif not seen.heads:
            self.finished = _copy(self.memory)
            self.awake = False

    async def _look(self, memory: Memory) -> Seen[TicketState]:
        """As `TicketWorkflow._hear` and `_advance` do."""
        state, cursor = memory.loaded.state, memory.loaded.cursor
        decision = rules.hear(state, memory.heads, datetime.now(UTC), POLICY)
        changed = decision.changes(state)
        decided = decision.state.model_copy(update={"version": state.version + 1})
        seen = await self.activities.advance_ticket(
            Look(
                thread_id=self.ticket_id,
                cursor=memory.heads[-1].seq if memory.heads else cursor,
                version=state.version,
                decided=decided if changed else None,
                events=decision.events,
            )
        )
        memory.loaded.cursor = seen.cursor
        memory.heads = list(seen.heads)
        if seen.state is not None:
            memory.loaded.state = seen.state
        elif changed and seen.written:
            memory.loaded.state = decided
        return seen

    async def relay(self) -> None:
        """A relay's look after the time of grace has passed."""
        async with self.database.begin() as session:
            await session.execute(text("UPDATE threads SET nudge_due_at = now() - interval '1s'"))
        async with self.database.begin() as session:
            self.nudges += len(await threads.overdue(session, 10))

    async def log(self) -> list[Entry]:
        async with self.database.begin() as session:
            return await reading.entries(
                session, self.ticket_id, after_seq=0, limit=1000, private=True
            )

    async def unhandled(self) -> int:
        async with self.database.begin() as session:
            thread = await threads.lock(session, self.ticket_id)
        return thread.last_seq - thread.handled_seq


def _copy(memory: Memory) -> Memory:
    return Memory(memory.loaded.model_copy(), list(memory.heads))


class ProtocolMachine(RuleBasedStateMachine):
    """Everything that can happen to one ticket, in any order."""

    database: Database
    runner: asyncio.Runner

    @initialize()
    def open(self) -> None:
        self.desk = Desk(self.database)
        self.sent: list[tuple[AuthorKind, str]] = []
        self.runner.run(self.desk.open())

    @rule(author=AUTHORS)
    def somebody_writes(self, author: AuthorKind) -> None:
        self.sent.append((author, new_id().hex))
        self.runner.run(self.desk.append(*self.sent[-1]))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def somebody_sends_again(self, data: st.DataObject) -> None:
        self.runner.run(self.desk.append(*data.draw(st.sampled_from(self.sent))))

    @precondition(lambda self: self.desk.nudges)
    @rule()
    def nudge_arrives(self) -> None:
        self.desk.nudges -= 1
        self.desk.receive_nudge()

    @precondition(lambda self: self.desk.nudges)
    @rule()
    def nudge_is_lost(self) -> None:
        self.desk.nudges -= 1

    @precondition(lambda self: self.desk.nudges)
    @rule()
    def nudge_is_doubled(self) -> None:
        self.desk.nudges += 1

    @precondition(lambda self: self.desk.awake)
    @rule()
    def workflow_works(self) -> None:
        self.runner.run(self.desk.work())

    @precondition(lambda self: self.desk.awake)
    @rule()
    def worker_is_killed_after_the_commit(self) -> None:
        self.runner.run(self.desk.work(dies=True))

    @rule()
    def worker_is_killed(self) -> None:
        self.desk.memory = None

    @rule()
    def temporal_is_wiped(self) -> None:
        self.desk.memory = self.desk.finished = None
        self.desk.awake = False
        self.desk.nudges = 0

    @rule()
    def relay_looks(self) -> None:
        self.runner.run(self.desk.relay())

    @invariant()
    def log_has_no_gaps(self) -> None:
        log = self.runner.run(self.desk.log())
        assert [entry.seq for entry in log] == list(range(1, len(log) + 1))

    def teardown(self) -> None:
        """However it went: the relay and the workflow alone bring everything to its end."""
        if not hasattr(self, "desk"):
            return
        self.runner.run(self.desk.relay())
        if self.desk.nudges:
            self.desk.receive_nudge()
        for _ in range(100):
            if not self.desk.awake:
                break
            self.runner.run(self.desk.work())
        assert self.runner.run(self.desk.unhandled()) == 0
        log = self.runner.run(self.desk.log())
        assert _told(log) == _expected(log)


def _told(log: list[Entry]) -> list[str]:
    return [entry.event["after"] for entry in log if entry.event is not None]


def _expected(log: list[Entry]) -> list[str]:
    """What the rules say when every message is heard once, in its order."""
    status, told = TicketStatus.NEW, []
    triggers = {
        AuthorKind.CUSTOMER: rules.Trigger.CUSTOMER_WROTE,
        AuthorKind.AGENT: rules.Trigger.AGENT_REPLIED,
    }
    for entry in log:
        if entry.event is None:
            after = rules.next_status(status, triggers[AuthorKind(entry.author)])
            if after is not status:
                told.append(after.value)
            status = after
    return told


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_nothing_is_lost_or_handled_twice(database_url: str, runner: asyncio.Runner) -> None:
    database = Database(database_url, pool_size=1)
    machine = type("Machine", (ProtocolMachine,), {"database": database, "runner": runner})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=30,
            deadline=None,
            # Shrinking would take longer than the suite, and the steps are few enough to read.
            phases=[Phase.generate],
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    runner.run(database.close())
