"""The level-triggered loop of every thread's workflow: look, decide, write, sleep."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain import errors
    from domain.errors import HoldfastError, NotFound
    from domain.events import Event, Head
    from domain.life import (
        Alarm,
        Decision,
        Loaded,
        Look,
        Policy,
        ProcessView,
        Seen,
        State,
        one_line,
    )
    from domain.models import ThreadRef
    from workflows.alarms import AlarmClock
    from workflows.assistance import Assistance
    from workflows.attributes import Attribute
    from workflows.outbox import Outbox

_NOT_THERE = [NotFound.__name__, *(kind.__name__ for kind in NotFound.__subclasses__())]
_TRIES = 3
"""So often a command that finds unheard messages hears them first."""
_LONG = 1_000
"""Events; a message takes about five."""
TIMEOUT = timedelta(seconds=20)
# While the database is away the thread waits, for as long as it takes.
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(seconds=3),
    non_retryable_error_types=_NOT_THERE,
)

Order = TypeVar("Order")


class Book(ABC, Generic[State, Policy, Order]):
    """What is particular to one kind of thread: its rules, and its side of the log."""

    @abstractmethod
    def obey(self, state: State, order: Order, now: datetime, policy: Policy) -> Decision[State]:
        """Carry out what a person commands. Raises a HoldfastError for what is impossible."""

    @abstractmethod
    def hear(
        self, state: State, heads: Sequence[Head], now: datetime, policy: Policy
    ) -> Decision[State]:
        """Take note of what was written."""

    @abstractmethod
    def expire(self, state: State, now: datetime, policy: Policy) -> Decision[State]:
        """Do what is due."""

    @abstractmethod
    def alarms(self, state: State, policy: Policy) -> list[Alarm]:
        """What will happen by itself, the soonest first."""

    @abstractmethod
    def waiting_for(self, state: State) -> str:
        """What the thread waits for, as a sentence for operators."""

    @abstractmethod
    def attributes(self, state: State) -> Iterator[Attribute]:
        """By what operators find it."""

    def outlet(self, _state: State) -> str | None:
        """By which replies go out, if they do."""
        return None

    @abstractmethod
    async def load(self) -> Loaded[State, Policy]:
        """Read where the thread stands."""

    @abstractmethod
    async def advance(self, look: Look[State]) -> Seen[State]:
        """Write a decision and look further; see `store.threads`."""


class Life(Generic[State, Policy, Order]):
    """The life of one thread, for the workflow that is its judge.

    A nudge and a timer only wake it; then it looks at the log and at the clock and does what is
    due. Its state is a copy of the thread's row, which nobody else writes; so a run that begins,
    for whatever reason, loads it and goes on.
    """

    def __init__(
        self, thread: ThreadRef, book: Book[State, Policy, Order], clock: AlarmClock
    ) -> None:
        self._thread_id = thread.id
        self._book = book
        self._clock = clock
        self._outbox = Outbox(thread.id)
        self._assistance = Assistance(thread, self.nudge)
        self._loaded: Loaded[State, Policy] | None = None
        self._nudged = False
        # The loop and the updates all read, decide and write: one at a time.
        self._turn = asyncio.Lock()

    async def live(self, start: object) -> None:
        """Until the thread has ended, and all of it has gone out. `start` is what the workflow
        was started with."""
        sending = asyncio.create_task(self._outbox.run())
        assisting = asyncio.create_task(self._assistance.run())
        try:
            await self._live(start)
        finally:
            sending.cancel()
            assisting.cancel()

    async def _live(self, start: object) -> None:
        try:
            await self._catch_up()
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type in _NOT_THERE:
                return
            raise
        while self._heads or not self._state.ended:
            await self._begin_anew_if_long(start)
            await workflow.wait_condition(self._has_work)
            await self._catch_up()
        while self._outbox.busy:
            await self._begin_anew_if_long(start)
            await workflow.wait_condition(lambda: not self._outbox.busy or _is_long())
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _begin_anew_if_long(self, start: object) -> None:
        if _is_long():
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(start)

    def nudge(self) -> None:
        """Something may have been written: look."""
        self._nudged = True

    async def change(self, order: Order) -> None:
        """Carry out what a person commands, and return when it is written."""
        await workflow.wait_condition(lambda: self._loaded is not None)
        update = workflow.current_update_info()
        cause = update.id if update else None
        async with self._turn:
            tries = 0
            # Found as the cause of the last write, this is an update whose worker died before
            # it could say that it was done.
            while self._state.last_cause != cause:
                decision = self._obey(order)
                if not decision.changes(self._state):
                    break
                # What was said before is heard before; but where people never pause, a command
                # cannot wait for them to.
                await self._advance(decision.then(last_cause=cause), drained=tries < _TRIES)
                tries += 1
                if self._heads and self._state.last_cause != cause:
                    await self._hear()

    def check_change(self, order: Order) -> None:
        """Refuse what is impossible already now, which leaves no trace in the history."""
        if self._loaded is not None:
            self._obey(order)

    def process(self) -> ProcessView:
        """What the thread waits for. Fails before the first look at it."""
        if self._loaded is None:
            raise RuntimeError("the thread has not been looked at yet")
        return ProcessView(
            status=self._state.stage,
            waiting_for=self._book.waiting_for(self._state),
            alarms=self._book.alarms(self._state, self._loaded.policy),
            handled_seq=self._loaded.cursor,
        )

    @property
    def _heads(self) -> list[Head]:
        """What is known to follow, and not looked at yet."""
        return self._loaded.heads if self._loaded else []

    @property
    def _state(self) -> State:
        return self._known.state

    @property
    def _known(self) -> Loaded[State, Policy]:
        if self._loaded is None:
            raise RuntimeError("the thread is not loaded")
        return self._loaded

    def _has_work(self) -> bool:
        return (
            self._nudged or self._clock.rang or bool(self._heads) or self._state.ended or _is_long()
        )

    def _obey(self, order: Order) -> Decision[State]:
        known = self._known
        try:
            return self._book.obey(known.state, order, workflow.now(), known.policy)
        except HoldfastError as refusal:
            raise _refused(refusal) from None

    async def _load(self) -> None:
        self._loaded = await self._book.load()
        self._take(self._loaded.state)
        self._outbox.unserved_after = self._loaded.unserved_after
        self._assistance.within = self._loaded.answer_within
        self._assistance.want(self._loaded.to_answer)
        if self._loaded.undelivered:
            self._outbox.send(self._book.outlet(self._state))

    async def _catch_up(self) -> None:
        """Handle all that was written and all that is due.

        Where writers never pause there is no end to it, and so none to the history: then the
        rest is left to the next run.
        """
        async with self._turn:
            self._nudged = False
            await (self._advance() if self._loaded else self._load())
        while not _is_long() and await self._step():
            pass
        self._set_clock()

    async def _step(self) -> bool:
        """Hear some of what was said, and do what is due; False when there was neither.

        In this order: what was said in time must not be taken for missing because it is heard
        late. Others get their turn in between.
        """
        async with self._turn:
            heard = bool(self._heads)
            if heard:
                await self._hear()
            known = self._known
            due = self._book.expire(known.state, workflow.now(), known.policy)
            changes = due.changes(known.state)
            if changes:
                # A customer who has just written must not be closed in the face, nor an agent
                # who has just come back lose a conversation.
                moves = due.state.stage != known.state.stage
                await self._advance(due, drained=moves)
            return heard or changes

    async def _hear(self) -> None:
        """Handle what the last look has shown, and look further."""
        known = self._known
        heads = known.heads
        decision = self._book.hear(known.state, heads, workflow.now(), known.policy)
        await self._advance(decision, cursor=heads[-1].seq)
        self._outbox.hear(heads, self._book.outlet(self._state))

    async def _advance(
        self,
        decision: Decision[State] | None = None,
        *,
        cursor: int | None = None,
        drained: bool = False,
    ) -> None:
        """Write a decision, if it changes anything, and look further; see `store.threads`.

        Raises what the log's side refuses.
        """
        known = self._known
        version = known.state.version
        decided: State | None = None
        events: list[Event] = []
        if decision is not None and decision.changes(known.state):
            decided = decision.state.model_copy(update={"version": version + 1})
            events = decision.events
        seen = await self._book.advance(
            Look(
                thread_id=self._thread_id,
                cursor=known.cursor if cursor is None else cursor,
                version=version,
                decided=decided,
                events=events,
                drained=drained,
            )
        )
        known.cursor = seen.cursor
        known.heads = seen.heads
        self._assistance.want(seen.to_answer)
        if seen.state is not None:
            self._take(seen.state)
        elif decided is not None and seen.written:
            self._take(decided)
        elif decision is not None and decided is None:
            # Nothing of it stands in the row, and yet it was heard.
            known.state = decision.state
        if seen.refusal is not None:
            raise _refused(getattr(errors, seen.refusal)())

    def _take(self, state: State) -> None:
        """Make a state that stands in the database our own, and show it to operators."""
        self._known.state = state
        self._set_clock()
        coming = self._book.alarms(state, self._known.policy)
        workflow.set_current_details(one_line(self._book.waiting_for(state), coming))
        shown = workflow.info().typed_search_attributes
        updates = [
            key.value_unset() if value is None else key.value_set(value)
            for key, value in self._book.attributes(state)
            if shown.get(key) != value
        ]
        if updates:
            workflow.upsert_search_attributes(updates)

    def _set_clock(self) -> None:
        coming = self._book.alarms(self._state, self._known.policy)
        self._clock.set(coming[0] if coming else None)


def _is_long() -> bool:
    """Whether the history has grown so long that a new run should go on.

    Long before the server suggests it: a worker that takes over replays all of it, at some 600
    events a second, and of several that do so at once none is done before its task times out.
    """
    info = workflow.info()
    return info.get_current_history_length() > _LONG or info.is_continue_as_new_suggested()


def _refused(refusal: HoldfastError) -> ApplicationError:
    return ApplicationError(str(refusal), type=type(refusal).__name__, non_retryable=True)
