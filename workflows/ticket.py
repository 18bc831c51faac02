"""The life of one ticket, from its first message until it is closed."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.tickets import TicketActivities
    from domain import names, rules
    from domain.errors import HoldfastError, TicketNotFound
    from domain.lifecycle import (
        ChangeTicket,
        Event,
        Loaded,
        Look,
        ProcessView,
        TicketInput,
        TicketState,
    )
    from domain.models import Head, TicketStatus
    from domain.rules import Decision
    from workflows import attributes
    from workflows.alarms import AlarmClock

_TRIES = 3
"""So often a command that finds unheard messages hears them first."""
_TIMEOUT = timedelta(seconds=20)
# While the database is away the ticket waits, for as long as it takes.
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(seconds=3),
    non_retryable_error_types=[TicketNotFound.__name__],
)


@workflow.defn(name=names.TICKET_WORKFLOW)
class TicketWorkflow:
    """The judge of one ticket's lifecycle.

    It is level-triggered: a nudge and a timer only wake it, then it looks at the log and at the
    clock and does what is due. Its state is a copy of the ticket's row, which nobody else
    writes; so a run that begins, for whatever reason, loads it and goes on.
    """

    @workflow.init
    def __init__(self, start: TicketInput) -> None:
        self._ticket_id = start.ticket_id
        self._loaded: Loaded | None = None
        self._nudged = False
        self._clock = AlarmClock()
        # The loop and the updates all read, decide and write: one at a time.
        self._turn = asyncio.Lock()

    @workflow.run
    async def run(self, start: TicketInput) -> None:
        try:
            await self._catch_up()
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError) and (
                error.cause.type == TicketNotFound.__name__
            ):
                return
            raise
        while self._heads or self._state.status is not TicketStatus.CLOSED:
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(start)
            await workflow.wait_condition(self._has_work)
            await self._catch_up()
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.signal(name=names.NUDGE)
    def nudge(self) -> None:
        """Look at the log: something may have been written. Carries nothing, so that losing,
        doubling or reordering it is harmless."""
        self._nudged = True

    @workflow.update(name=names.CHANGE)
    async def change(self, order: ChangeTicket) -> None:
        """Carry out what a person commands, and return when it is written.

        An update and not a signal, since two agents may want different things at once, and one
        of them has to hear that it was too late.
        """
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

    @change.validator
    def check_change(self, order: ChangeTicket) -> None:
        """Refuse what is impossible already now, which leaves no trace in the history."""
        if self._loaded is not None:
            self._obey(order)

    @workflow.query(name=names.PROCESS)
    def get_process(self) -> ProcessView:
        """What the ticket waits for. Fails before the first look at it."""
        if self._loaded is None:
            raise RuntimeError("the ticket has not been looked at yet")
        return ProcessView(
            status=self._state.status,
            waiting_for=rules.waiting_for(self._state),
            alarms=rules.alarms(self._state),
            handled_seq=self._loaded.cursor,
        )

    @property
    def _heads(self) -> list[Head]:
        """What is known to follow, and not looked at yet."""
        return self._loaded.heads if self._loaded else []

    @property
    def _state(self) -> TicketState:
        if self._loaded is None:
            raise RuntimeError("the ticket is not loaded")
        return self._loaded.state

    def _has_work(self) -> bool:
        return (
            self._nudged
            or self._clock.rang
            or bool(self._heads)
            or self._state.status is TicketStatus.CLOSED
            or workflow.info().is_continue_as_new_suggested()
        )

    def _obey(self, order: ChangeTicket) -> Decision:
        assert self._loaded is not None
        try:
            return rules.obey(
                self._state, order.commands, order.by, workflow.now(), self._loaded.policy
            )
        except HoldfastError as refusal:
            raise ApplicationError(
                str(refusal), type=type(refusal).__name__, non_retryable=True
            ) from None

    async def _load(self) -> None:
        self._loaded = await workflow.execute_local_activity_method(
            TicketActivities.load_ticket,
            TicketInput(ticket_id=self._ticket_id),
            start_to_close_timeout=_TIMEOUT,
            retry_policy=_RETRY,
        )
        self._take(self._loaded.state)

    async def _catch_up(self) -> None:
        """Handle all that was written and all that is due.

        Where writers never pause there is no end to it, and so none to the history: then the
        rest is left to the next run.
        """
        async with self._turn:
            self._nudged = False
            await (self._advance() if self._loaded else self._load())
        while not workflow.info().is_continue_as_new_suggested() and await self._step():
            pass
        self._set_clock()

    async def _step(self) -> bool:
        """Do what is due, and hear some of what was said; False when there was neither.

        Others get their turn in between.
        """
        async with self._turn:
            due = self._expire()
            changes = due.changes(self._state)
            if changes:
                # A customer who has just written must not be closed in the face.
                closes = due.state.status is TicketStatus.CLOSED
                await self._advance(due, drained=closes)
            if self._heads:
                await self._hear()
                return True
            return changes

    def _expire(self) -> Decision:
        assert self._loaded is not None
        return rules.expire(self._state, workflow.now(), self._loaded.policy)

    async def _hear(self) -> None:
        """Handle what the last look has shown, and look further."""
        assert self._loaded is not None
        heads = self._heads
        decision = rules.hear(self._state, heads, workflow.now(), self._loaded.policy)
        await self._advance(decision, cursor=heads[-1].seq)

    async def _advance(
        self, decision: Decision | None = None, *, cursor: int | None = None, drained: bool = False
    ) -> None:
        """Write a decision, if it changes anything, and look further; see `store.threads`."""
        assert self._loaded is not None
        version = self._state.version
        decided: TicketState | None = None
        events: list[Event] = []
        if decision is not None and decision.changes(self._state):
            decided = decision.state.model_copy(update={"version": version + 1})
            events = decision.events
        seen = await workflow.execute_local_activity_method(
            TicketActivities.advance_ticket,
            Look(
                ticket_id=self._ticket_id,
                cursor=self._loaded.cursor if cursor is None else cursor,
                version=version,
                decided=decided,
                events=events,
                drained=drained,
            ),
            start_to_close_timeout=_TIMEOUT,
            retry_policy=_RETRY,
        )
        self._loaded.cursor = seen.cursor
        self._loaded.heads = seen.heads
        if seen.state is not None:
            self._take(seen.state)
        elif decided is not None and seen.written:
            self._take(decided)

    def _take(self, state: TicketState) -> None:
        """Make a state that stands in the database our own, and show it to operators."""
        assert self._loaded is not None
        self._loaded.state = state
        self._set_clock()
        workflow.set_current_details(rules.details(state))
        updates = [
            key.value_unset() if value is None else key.value_set(value)
            for key, value in attributes.differing(workflow.info().typed_search_attributes, state)
        ]
        if updates:
            workflow.upsert_search_attributes(updates)

    def _set_clock(self) -> None:
        coming = rules.alarms(self._state)
        self._clock.set(coming[0] if coming else None)
