"""The assistant's part in a thread, seen from its workflow: it only says when to answer."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.assistance import AnswerActivities
    from domain import names
    from domain.assistance import Assisted, AssistInput
    from domain.models import ThreadRef

_BEAT = timedelta(seconds=4)
"""An assistant that is silent for so long is dead, and another is asked."""
_SHARE = 0.85
"""Of the time that an answer may take; the rest is kept for one without the model."""
_SIMPLE = timedelta(seconds=10)
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=300),
    maximum_interval=timedelta(seconds=3),
)


class Assistance:
    """Has one message at a time answered, and calls that off when it is out of date.

    Level-triggered as all else: each look at the log says which message it is the assistant's turn
    to answer, and the log takes no answer that comes out of turn.
    """

    def __init__(self, thread: ThreadRef, look: Callable[[], None]) -> None:
        self._thread = thread
        self._look = look
        self._wanted: int | None = None
        self._tried = 0
        self.within = timedelta()
        """How long an answer may take."""

    def want(self, seq: int | None) -> None:
        """The message to be answered, if there is one."""
        self._wanted = seq

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await workflow.wait_condition(self._is_asked)
            seq = self._tried = self._wanted or 0
            order = AssistInput(thread=self._thread, seq=seq)
            if not await self._is_settled(self._ask(order), seq):
                await self._is_settled(self._ask_simply(order), seq)
            self._look()

    def _is_asked(self) -> bool:
        return self._wanted is not None and self._wanted > self._tried

    async def _is_settled(self, asked: workflow.ActivityHandle[Assisted], seq: int) -> bool:
        """Whether nothing is left to be done: the message was answered, or is out of date."""
        await workflow.wait_condition(lambda: asked.done() or self._wanted != seq)
        if not asked.done():
            asked.cancel()
            # How it ends is of no interest to anybody, and yet has to be looked at.
            asked.add_done_callback(lambda over: over.cancelled() or over.exception())
            return True
        return asked.exception() is None

    def _ask(self, order: AssistInput) -> workflow.ActivityHandle[Assisted]:
        return workflow.start_activity_method(
            AnswerActivities.answer,
            order,
            task_queue=names.TASK_QUEUE_ASSIST,
            schedule_to_close_timeout=self.within * _SHARE,
            heartbeat_timeout=_BEAT,
            retry_policy=_RETRY,
            summary=f"answer to message {order.seq}",
        )

    def _ask_simply(self, order: AssistInput) -> workflow.ActivityHandle[Assisted]:
        return workflow.start_local_activity_method(
            AnswerActivities.answer_simply,
            order,
            start_to_close_timeout=_SIMPLE,
            retry_policy=_RETRY,
            summary=f"answer to message {order.seq} without a model",
        )
