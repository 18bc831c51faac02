"""The only door to the workflows: by it others start, nudge, change and question them.

What Temporal refuses because it is busy is tried again here and never seen by callers. What it
cannot do because it is away becomes EngineUnavailable.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID
from weakref import WeakValueDictionary

import structlog
from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
)
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateStage,
)
from temporalio.common import (
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from domain import names
from domain.conversation_life import ChangeConversation, ConversationInput
from domain.errands import Errand
from domain.errors import EngineUnavailable, HoldfastError
from domain.life import ProcessView
from domain.models import Channel, Priority, ThreadKind, ThreadRef
from domain.ticket_life import ChangeTicket, TicketInput
from workflows import attributes
from workflows.pace import Pace
from workflows.refusals import AlreadyThere, NotOurs, NotThere, persist, translated

log = structlog.get_logger(__name__)

_PATIENCE = 10.0
"""Seconds that a caller waits for an update at most."""
_CALL = timedelta(seconds=5)
_PATIENT_CALL = timedelta(seconds=_PATIENCE)
_TASK_TIMEOUT = timedelta(seconds=5)
"""After which another worker takes over what a killed one was just doing."""
_UPDATES_IN_FLIGHT = 4
"""On one workflow from one process; Temporal refuses an eleventh of all."""
_NUDGERS = 8
_PACE = 1.5
_BURST = 2
"""One thread is nudged so often in _PACE seconds at most."""
_NUDGES_WAITING = 10_000
"""More would mean that Temporal is away, and the relay nudges those threads when it is back."""


@dataclass(frozen=True, slots=True)
class NewTicketFacts:
    """What is known of a ticket whose workflow is started for the first time."""

    number: int
    channel: Channel
    priority: Priority

    @property
    def attributes(self) -> TypedSearchAttributes:
        return attributes.of_new_ticket(self.channel, self.priority)

    @property
    def summary(self) -> str:
        return f"Ticket #{self.number}"


@dataclass(frozen=True, slots=True)
class NewConversationFacts:
    """See `NewTicketFacts`."""

    attributes: TypedSearchAttributes = field(default_factory=attributes.of_new_conversation)
    summary: str = "Live conversation"


Facts = NewTicketFacts | NewConversationFacts
Order = ChangeTicket | ChangeConversation


class Engine:
    """The workflows as others see them."""

    def __init__(self, client: Client, task_queue: str = names.TASK_QUEUE_THREADS) -> None:
        self._client = client
        self.task_queue = task_queue
        self._waiting: asyncio.Queue[tuple[ThreadRef, Facts | None]] = asyncio.Queue(
            _NUDGES_WAITING
        )
        self._pace = Pace(_PACE, _BURST)
        self._turns: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def nudging(self) -> AsyncIterator[None]:
        """Send what `nudge_soon` was asked for, as long as the block lasts."""
        nudgers = [asyncio.create_task(self._nudge_on()) for _ in range(_NUDGERS)]
        try:
            yield
        finally:
            for nudger in nudgers:
                nudger.cancel()
            await asyncio.gather(*nudgers, return_exceptions=True)

    def nudge_soon(
        self, thread: ThreadRef, facts: Facts | None = None, *, at_once: bool = False
    ) -> None:
        """Nudge without making anybody wait. Should it be lost, the relay makes up for it.

        Busy threads wait for their turn, unless somebody outside waits for it: `at_once`.
        """
        if at_once:
            self._line_up(thread, facts)
            return
        loop = asyncio.get_running_loop()
        turn = self._pace.next_turn(thread.id, loop.time())
        if turn is not None:
            loop.call_at(turn, self._line_up, thread, facts)

    def _line_up(self, thread: ThreadRef, facts: Facts | None) -> None:
        try:
            self._waiting.put_nowait((thread, facts))
        except asyncio.QueueFull:
            log.debug("nudge_left_to_relay", thread_id=str(thread.id))

    async def nudge(self, thread: ThreadRef, facts: Facts | None = None) -> None:
        """Have a thread's workflow look at the log; it is started if there is none.

        Raises EngineUnavailable.
        """
        with translated():
            await self._client.start_workflow(
                _workflow(thread),
                _input(thread),
                id=_workflow_id(thread),
                task_queue=self.task_queue,
                start_signal=names.NUDGE,
                task_timeout=_TASK_TIMEOUT,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=facts.attributes if facts else None,
                static_summary=facts.summary if facts else None,
                rpc_timeout=_CALL,
            )

    async def change_ticket(self, ticket_id: UUID, order: ChangeTicket, cause: str) -> None:
        """Have a ticket's workflow carry out a command; returns when it is written.

        `cause` is the update's id: the same one twice is carried out once. Raises what the
        rules raise (TicketIsClosed, IllegalTransition, …) and EngineUnavailable.
        """
        await self._change(ThreadRef(kind=ThreadKind.TICKET, id=ticket_id), order, cause)

    async def change_conversation(
        self, conversation_id: UUID, order: ChangeConversation, cause: str
    ) -> None:
        """The same for a conversation: ConversationTaken, AgentIsFull, …"""
        thread = ThreadRef(kind=ThreadKind.CONVERSATION, id=conversation_id)
        await self._change(thread, order, cause)

    async def process(self, thread: ThreadRef) -> ProcessView:
        """What a thread waits for, asked of its workflow. Raises EngineUnavailable."""
        handle = self._client.get_workflow_handle(_workflow_id(thread))
        try:
            with translated():
                view: ProcessView = await handle.query(
                    names.PROCESS, result_type=ProcessView, rpc_timeout=_PATIENT_CALL
                )
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError, NotThere) as error:
            # It has not begun yet; the relay sees to it.
            raise EngineUnavailable from error
        return view

    async def start_errand(self, errand: Errand) -> None:
        """Have an errand done; one that is being done is left alone. Raises EngineUnavailable."""
        with translated():
            await self._client.start_workflow(
                names.ERRAND_WORKFLOW,
                errand,
                id=names.errand_workflow_id(errand.kind, errand.id),
                task_queue=self.task_queue,
                task_timeout=_TASK_TIMEOUT,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=_CALL,
            )

    async def check(self) -> None:
        """Raise EngineUnavailable unless Temporal answers and has our namespace."""
        await self.namespace_id()

    async def worker_alive(self) -> bool:
        """Whether a worker has asked for workflow tasks of late. Raises EngineUnavailable."""
        with translated():
            answer = await self._client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=self._client.namespace,
                    task_queue=TaskQueue(name=self.task_queue),
                    task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
                ),
                timeout=_CALL,
            )
        return bool(answer.pollers)

    async def namespace_id(self) -> str:
        """Temporal's own id of our namespace: another one means that its data are gone.

        Raises EngineUnavailable.
        """
        with translated():
            answer = await self._client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=self._client.namespace), timeout=_CALL
            )
        return answer.namespace_info.id

    async def running(self, threads: Iterable[ThreadRef]) -> set[UUID]:
        """Which of these threads have a workflow that runs, as far as is visible by now.

        Raises EngineUnavailable.
        """
        ids = {_workflow_id(thread): thread.id for thread in threads}
        if not ids:
            return set()
        wanted = ", ".join(f"'{workflow_id}'" for workflow_id in ids)
        query = f"ExecutionStatus = 'Running' AND WorkflowId IN ({wanted})"
        with translated():
            found = self._client.list_workflows(query, rpc_timeout=_CALL)
            return {
                ids[execution.id]
                async for execution in found
                if execution.status is WorkflowExecutionStatus.RUNNING
            }

    async def add_search_attributes(self) -> None:
        """Make the namespace know our search attributes.

        Where that is not ours to do, as in Temporal Cloud, somebody has done it by hand.
        Raises EngineUnavailable.
        """
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        try:
            with translated():
                await self._client.operator_service.add_search_attributes(
                    AddSearchAttributesRequest(
                        namespace=self._client.namespace,
                        search_attributes=dict.fromkeys(names.SEARCH_ATTRIBUTES, keyword),
                    ),
                    timeout=_CALL,
                )
        except AlreadyThere:
            return
        except NotOurs:
            log.warning("search_attributes_must_be_there_already", names=names.SEARCH_ATTRIBUTES)

    async def _nudge_on(self) -> None:
        while True:
            thread, facts = await self._waiting.get()
            try:
                await self.nudge(thread, facts)
            except HoldfastError:
                log.debug("nudge_left_to_relay", thread_id=str(thread.id))

    async def _change(self, thread: ThreadRef, order: Order, cause: str) -> None:
        # One patience for both: waiting for a turn, and for what is done in it.
        try:
            async with asyncio.timeout(_PATIENCE), self._turn(thread.id):
                await persist(lambda: self._update(thread, order, cause), _PATIENCE)
        except TimeoutError:
            raise EngineUnavailable from None

    async def _update(self, thread: ThreadRef, order: Order, cause: str) -> None:
        workflow_id = _workflow_id(thread)
        try:
            with translated():
                await self._client.get_workflow_handle(workflow_id).execute_update(
                    names.CHANGE, order, id=cause, rpc_timeout=_PATIENT_CALL
                )
        except NotThere:
            # It was never started, or Temporal has lost it: the log has all that it needs.
            with translated():
                handle = await self._client.start_update_with_start_workflow(
                    names.CHANGE,
                    order,
                    id=cause,
                    wait_for_stage=WorkflowUpdateStage.COMPLETED,
                    start_workflow_operation=WithStartWorkflowOperation(
                        _workflow(thread),
                        _input(thread),
                        id=workflow_id,
                        task_queue=self.task_queue,
                        task_timeout=_TASK_TIMEOUT,
                        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    ),
                    rpc_timeout=_PATIENT_CALL,
                )
                await handle.result(rpc_timeout=_PATIENT_CALL)

    def _turn(self, thread_id: UUID) -> asyncio.Semaphore:
        return self._turns.setdefault(thread_id, asyncio.Semaphore(_UPDATES_IN_FLIGHT))


def _workflow(thread: ThreadRef) -> str:
    match thread.kind:
        case ThreadKind.TICKET:
            return names.TICKET_WORKFLOW
        case ThreadKind.CONVERSATION:
            return names.CONVERSATION_WORKFLOW


def _input(thread: ThreadRef) -> TicketInput | ConversationInput:
    match thread.kind:
        case ThreadKind.TICKET:
            return TicketInput(ticket_id=thread.id)
        case ThreadKind.CONVERSATION:
            return ConversationInput(conversation_id=thread.id)


def _workflow_id(thread: ThreadRef) -> str:
    match thread.kind:
        case ThreadKind.TICKET:
            return names.ticket_workflow_id(thread.id)
        case ThreadKind.CONVERSATION:
            return names.conversation_workflow_id(thread.id)
