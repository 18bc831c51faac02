"""Words, comings, goings and commands in a conversation: in any order, with anything lost, doubled
or killed in between. See `test_protocol` for what is real here and what is played."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from activities.conversations import ConversationActivities
from domain import conversation_rules as rules
from domain.conversation_life import (
    Accept,
    ChangeConversation,
    ConversationCommand,
    ConversationInput,
    ConversationPolicy,
    ConversationState,
    Release,
    Transfer,
)
from domain.errors import HoldfastError
from domain.life import Decision, Loaded, Look, Seen
from domain.models import AuthorKind, EventType, Side, Visibility
from store import attendance, conversations, threads
from store.database import Database
from store.presences import Person
from store.reading import Entry
from store.threads import Draft
from tests.store.chatting import RULES, hire, log_of, new_customer, start

LONG = timedelta(days=1)
POLICY = ConversationPolicy(
    queue_timeout=LONG, agent_grace=LONG, customer_grace=LONG, idle_timeout=LONG
)
COMMANDS: list[ConversationCommand] = [
    Accept(agent_id="bob"),
    Accept(agent_id="eve"),
    Release(),
    Transfer(to_agent_id="eve"),
    Transfer(to_agent_id="bob"),
]
Memory = Loaded[ConversationState, ConversationPolicy]


class ChatDesk:
    """One conversation and its workflow."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.activities = ConversationActivities(database, POLICY, RULES)
        self.process_id = uuid4()
        self.customer: Person
        self.conversation_id: UUID
        self.nudges = 0
        self.awake = False
        self.memory: Memory | None = None
        self.finished: Memory | None = None

    async def open(self) -> None:
        await hire(self.database, "bob", "eve", capacity=1_000_000)
        customer_id = await new_customer(self.database)
        self.customer = Person(Side.CUSTOMER, str(customer_id))
        started = await start(self.database, customer_id)
        self.conversation_id = started.conversation_id
        self.nudges += started.nudge
        async with self.database.begin() as session:
            await attendance.beat(session, self.process_id)

    async def say(self, author: AuthorKind, visibility: Visibility) -> None:
        async with self.database.begin() as session:
            row = await conversations.find(session, self.conversation_id, lock=True)
            draft = Draft(author, "text", visibility=visibility)
            self.nudges += (await conversations.write(session, row, draft)).nudge

    async def come(self, person: Person) -> None:
        async with self.database.begin() as session:
            await attendance.beat(session, self.process_id)
            told = await attendance.note(session, self.process_id, {person: None})
        self.nudges += sum(self._is_ours(thread.id) for thread in told)

    async def go(self, person: Person) -> None:
        gone_at = datetime.now(UTC) - timedelta(minutes=1)
        async with self.database.begin() as session:
            await attendance.beat(session, self.process_id)
            await attendance.note(session, self.process_id, {person: gone_at})
        async with self.database.begin() as session:
            told = (await attendance.sweep(session)).told
        self.nudges += sum(self._is_ours(thread.id) for thread in told)

    async def work(self, *, dies: bool = False) -> None:
        """One step of the workflow, as `Life._hear` does it."""
        memory = await self._remember()
        decision = rules.hear(memory.state, memory.heads, datetime.now(UTC), POLICY)
        cursor = memory.heads[-1].seq if memory.heads else memory.cursor
        seen = await self._advance(memory, decision, cursor=cursor, drained=False)
        if dies:
            self.memory = None
        elif not seen.heads:
            self._finish(memory)

    async def obey(self, command: ConversationCommand, *, dies: bool = False) -> None:
        """As `Life.change` does it; refused is refused."""
        memory = await self._remember()
        order = ChangeConversation(by="ada", command=command)
        try:
            decision = rules.obey(memory.state, order, datetime.now(UTC), POLICY)
        except HoldfastError:
            return
        if decision.changes(memory.state):
            decision = decision.then(last_cause=uuid4().hex)
            await self._advance(memory, decision, cursor=memory.cursor, drained=True)
        if dies:
            self.memory = None
        self.awake = True

    async def _remember(self) -> Memory:
        if self.memory is None and self.finished is not None:
            self.memory = self.finished.model_copy()
        if self.memory is None:
            begun = ConversationInput(conversation_id=self.conversation_id)
            self.memory = await self.activities.load_conversation(begun)
        return self.memory

    async def _advance(
        self, memory: Memory, decision: Decision[ConversationState], *, cursor: int, drained: bool
    ) -> Seen[ConversationState]:
        version = memory.state.version
        changes = decision.changes(memory.state)
        decided = decision.state.model_copy(update={"version": version + 1}) if changes else None
        seen = await self.activities.advance_conversation(
            Look(
                thread_id=self.conversation_id,
                cursor=cursor,
                version=version,
                decided=decided,
                events=decision.events if changes else [],
                drained=drained,
            )
        )
        memory.cursor, memory.heads = seen.cursor, seen.heads
        if seen.state is not None:
            memory.state = seen.state
        elif decided is None:
            memory.state = decision.state
        elif seen.written:
            memory.state = decided
        return seen

    def _finish(self, memory: Memory) -> None:
        self.finished = memory.model_copy()
        self.awake = False

    async def relay(self) -> None:
        async with self.database.begin() as session:
            await session.execute(text("UPDATE threads SET nudge_due_at = now() - interval '1s'"))
        async with self.database.begin() as session:
            self.nudges += len(
                [ref for ref in await threads.overdue(session, 10_000) if self._is_ours(ref.id)]
            )

    def _is_ours(self, thread_id: UUID) -> bool:
        return thread_id == self.conversation_id

    async def state(self) -> ConversationState:
        async with self.database.begin() as session:
            return (await conversations.load(session, self.conversation_id))[0]

    async def log(self) -> list[Entry]:
        return await log_of(self.database, self.conversation_id)

    async def unhandled(self) -> int:
        async with self.database.begin() as session:
            thread = await threads.lock(session, self.conversation_id)
        return thread.last_seq - thread.handled_seq


BOB = Person(Side.AGENT, "bob")


class ChatMachine(RuleBasedStateMachine):
    """Everything that can happen to one conversation, in any order."""

    database: Database
    runner: asyncio.Runner

    @initialize()
    def open(self) -> None:
        self.desk = ChatDesk(self.database)
        self.runner.run(self.desk.open())

    @rule(
        author=st.sampled_from([AuthorKind.CUSTOMER, AuthorKind.AGENT]),
        visibility=st.sampled_from(Visibility),
    )
    def somebody_writes(self, author: AuthorKind, visibility: Visibility) -> None:
        self.runner.run(self.desk.say(author, visibility))

    @rule(agent=st.booleans())
    def somebody_comes(self, agent: bool) -> None:
        self.runner.run(self.desk.come(BOB if agent else self.desk.customer))

    @rule(agent=st.booleans())
    def somebody_goes(self, agent: bool) -> None:
        self.runner.run(self.desk.go(BOB if agent else self.desk.customer))

    @rule(command=st.sampled_from(COMMANDS), dies=st.booleans())
    def somebody_commands(self, command: ConversationCommand, dies: bool) -> None:
        self.runner.run(self.desk.obey(command, dies=dies))

    # Not preconditions: the agents are the same for all examples, and so what one example leaves
    # behind could decide what is drawn for the next.
    @rule(lost=st.booleans())
    def nudge_arrives_or_is_lost(self, lost: bool) -> None:
        if self.desk.nudges:
            self.desk.nudges -= 1
            self.desk.awake = self.desk.awake or not lost

    @rule(dies=st.booleans())
    def workflow_works(self, dies: bool) -> None:
        if self.desk.awake:
            self.runner.run(self.desk.work(dies=dies))

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
        self.desk.awake = self.desk.awake or self.desk.nudges > 0
        for _ in range(100):
            if not self.desk.awake:
                break
            self.runner.run(self.desk.work())
        assert self.runner.run(self.desk.unhandled()) == 0
        _check(self.runner.run(self.desk.state()), self.runner.run(self.desk.log()))


def _check(state: ConversationState, log: list[Entry]) -> None:
    """The state is what the log tells."""
    events = [entry.event for entry in log if entry.event]
    decided = [event for event in events if event["type"] in _DECIDED]
    assert state.status == (decided[-1]["status"] if decided else "QUEUED")
    taken = [each for each in decided if each["type"] != EventType.CONNECTED]
    assert state.agent_id == (taken[-1].get("after") if taken else None)
    comings = [event["type"] for event in events if event.get("side") == Side.CUSTOMER]
    assert state.customer_here == (comings[-1:] == [EventType.ARRIVED])
    words = [
        entry.author
        for entry in log
        if entry.author != AuthorKind.SYSTEM and entry.visibility == Visibility.PUBLIC
    ]
    assert state.customer_spoke == (AuthorKind.CUSTOMER in words)
    assert state.last_word_by == (words[-1] if words else None)
    # Each of them was told once: nobody is connected twice, or taken from where they were not.
    for before, after in pairwise(decided):
        assert (before["type"], after["type"]) not in _IMPOSSIBLE


_DECIDED = {
    EventType.ASSIGNED,
    EventType.CONNECTED,
    EventType.TRANSFERRED,
    EventType.RELEASED,
}
_IMPOSSIBLE = {
    (EventType.CONNECTED, EventType.CONNECTED),
    (EventType.RELEASED, EventType.RELEASED),
    (EventType.ASSIGNED, EventType.ASSIGNED),
    (EventType.RELEASED, EventType.CONNECTED),
}


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_nothing_is_lost_or_decided_twice(database_url: str, runner: asyncio.Runner) -> None:
    database = Database(database_url, pool_size=1)
    machine = type("Machine", (ChatMachine,), {"database": database, "runner": runner})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            # As in `test_protocol`.
            phases=[Phase.generate],
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    runner.run(database.close())
