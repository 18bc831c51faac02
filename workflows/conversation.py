"""The life of one live conversation, from the queue until it is closed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.conversations import ConversationActivities
    from domain import conversation_rules as rules
    from domain import names
    from domain.conversation_life import (
        ChangeConversation,
        ConversationInput,
        ConversationPolicy,
        ConversationState,
    )
    from domain.conversation_rules import Decision
    from domain.events import Head
    from domain.life import Alarm, Loaded, Look, ProcessView, Seen
    from domain.models import ThreadKind, ThreadRef
    from workflows import attributes
    from workflows.alarms import AlarmClock
    from workflows.attributes import Attribute
    from workflows.life import RETRY, TIMEOUT, Book, Life


class ConversationBook(Book[ConversationState, ConversationPolicy, ChangeConversation]):
    def __init__(self, conversation_id: UUID) -> None:
        self._conversation_id = conversation_id

    def obey(
        self,
        state: ConversationState,
        order: ChangeConversation,
        now: datetime,
        policy: ConversationPolicy,
    ) -> Decision:
        return rules.obey(state, order, now, policy)

    def hear(
        self,
        state: ConversationState,
        heads: Sequence[Head],
        now: datetime,
        policy: ConversationPolicy,
    ) -> Decision:
        return rules.hear(state, heads, now, policy)

    def expire(
        self, state: ConversationState, now: datetime, policy: ConversationPolicy
    ) -> Decision:
        return rules.expire(state, now, policy)

    def alarms(self, state: ConversationState, policy: ConversationPolicy) -> list[Alarm]:
        return rules.alarms(state, policy)

    def waiting_for(self, state: ConversationState) -> str:
        return rules.waiting_for(state)

    def attributes(self, state: ConversationState) -> Iterator[Attribute]:
        return attributes.of_conversation(state)

    async def load(self) -> Loaded[ConversationState, ConversationPolicy]:
        return await workflow.execute_local_activity_method(
            ConversationActivities.load_conversation,
            ConversationInput(conversation_id=self._conversation_id),
            start_to_close_timeout=TIMEOUT,
            retry_policy=RETRY,
        )

    async def advance(self, look: Look[ConversationState]) -> Seen[ConversationState]:
        return await workflow.execute_local_activity_method(
            ConversationActivities.advance_conversation,
            look,
            start_to_close_timeout=TIMEOUT,
            retry_policy=RETRY,
        )


@workflow.defn(name=names.CONVERSATION_WORKFLOW)
class ConversationWorkflow:
    """The judge of one conversation's lifecycle; see `workflows.life`."""

    @workflow.init
    def __init__(self, start: ConversationInput) -> None:
        book = ConversationBook(start.conversation_id)
        # Every word puts the end for silence off: a patient clock leaves no trace of that.
        conversation = ThreadRef(kind=ThreadKind.CONVERSATION, id=start.conversation_id)
        self._life = Life(conversation, book, AlarmClock(patient=True))

    @workflow.run
    async def run(self, start: ConversationInput) -> None:
        await self._life.live(start)

    @workflow.signal(name=names.NUDGE)
    def nudge(self) -> None:
        """Look at the log: something may have been written. Carries nothing, so that losing,
        doubling or reordering it is harmless."""
        self._life.nudge()

    @workflow.update(name=names.CHANGE)
    async def change(self, order: ChangeConversation) -> None:
        """Carry out what a person or the allocator commands.

        An update and not a signal, since of two agents who accept one has to hear that it was
        too late.
        """
        await self._life.change(order)

    @change.validator
    def check_change(self, order: ChangeConversation) -> None:
        self._life.check_change(order)

    @workflow.query(name=names.PROCESS)
    def get_process(self) -> ProcessView:
        return self._life.process()
