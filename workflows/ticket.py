"""The life of one ticket, from its first message until it is closed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.tickets import TicketActivities
    from domain import names
    from domain import ticket_rules as rules
    from domain.deadlines import DeadlinePolicy
    from domain.events import Head
    from domain.life import Alarm, Loaded, Look, ProcessView, Seen
    from domain.models import ThreadKind, ThreadRef
    from domain.ticket_life import ChangeTicket, TicketInput, TicketState
    from domain.ticket_rules import Decision
    from workflows import attributes
    from workflows.alarms import AlarmClock
    from workflows.attributes import Attribute
    from workflows.life import RETRY, TIMEOUT, Book, Life


class TicketBook(Book[TicketState, DeadlinePolicy, ChangeTicket]):
    def __init__(self, ticket_id: UUID) -> None:
        self._ticket_id = ticket_id

    def obey(
        self, state: TicketState, order: ChangeTicket, now: datetime, policy: DeadlinePolicy
    ) -> Decision:
        return rules.obey(state, order.commands, order.by, now, policy)

    def hear(
        self, state: TicketState, heads: Sequence[Head], now: datetime, policy: DeadlinePolicy
    ) -> Decision:
        return rules.hear(state, heads, now, policy)

    def expire(self, state: TicketState, now: datetime, policy: DeadlinePolicy) -> Decision:
        return rules.expire(state, now, policy)

    def alarms(self, state: TicketState, _policy: DeadlinePolicy) -> list[Alarm]:
        return rules.alarms(state)

    def waiting_for(self, state: TicketState) -> str:
        return rules.waiting_for(state)

    def attributes(self, state: TicketState) -> Iterator[Attribute]:
        return attributes.of_ticket(state)

    def outlet(self, state: TicketState) -> str | None:
        return state.outlet

    async def load(self) -> Loaded[TicketState, DeadlinePolicy]:
        return await workflow.execute_local_activity_method(
            TicketActivities.load_ticket,
            TicketInput(ticket_id=self._ticket_id),
            start_to_close_timeout=TIMEOUT,
            retry_policy=RETRY,
        )

    async def advance(self, look: Look[TicketState]) -> Seen[TicketState]:
        return await workflow.execute_local_activity_method(
            TicketActivities.advance_ticket,
            look,
            start_to_close_timeout=TIMEOUT,
            retry_policy=RETRY,
        )


@workflow.defn(name=names.TICKET_WORKFLOW)
class TicketWorkflow:
    """The judge of one ticket's lifecycle; see `workflows.life`."""

    @workflow.init
    def __init__(self, start: TicketInput) -> None:
        ticket = ThreadRef(kind=ThreadKind.TICKET, id=start.ticket_id)
        self._life = Life(ticket, TicketBook(start.ticket_id), AlarmClock())

    @workflow.run
    async def run(self, start: TicketInput) -> None:
        await self._life.live(start)

    @workflow.signal(name=names.NUDGE)
    def nudge(self) -> None:
        """Look at the log: something may have been written. Carries nothing, so that losing,
        doubling or reordering it is harmless."""
        self._life.nudge()

    @workflow.update(name=names.CHANGE)
    async def change(self, order: ChangeTicket) -> None:
        """Carry out what a person commands.

        An update and not a signal, since two agents may want different things at once, and one
        of them has to hear that it was too late.
        """
        await self._life.change(order)

    @change.validator
    def check_change(self, order: ChangeTicket) -> None:
        self._life.check_change(order)

    @workflow.query(name=names.PROCESS)
    def get_process(self) -> ProcessView:
        return self._life.process()
