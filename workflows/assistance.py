"""The assistant's part in a thread, seen from its workflow: it only says when to answer."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.assistance import AnswerActivities
    from domain import names
    from domain.assistance import Assisted, AssistInput, Question
    from domain.models import ThreadRef

_BEAT = timedelta(seconds=4)
"""An assistant that is silent for so long is dead, and another is asked."""
_SHARE = 0.85
"""Of the time that an answer may take; the rest is kept for one without the model."""
_LEAST = timedelta(seconds=1)
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
        self._wanted: Question | None = None
        self._tried = 0
        self.within = timedelta()
        """How long an answer may take."""

    def want(self, question: Question | None) -> None:
        """The message to be answered, if there is one."""
        self._wanted = question

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await workflow.wait_condition(lambda: self._asked is not None)
            if question := self._asked:
                self._tried = question.seq
                if not await self._is_settled(self._ask(question), question):
                    await self._is_settled(self._ask_simply(question), question)
                self._look()

    @property
    def _asked(self) -> Question | None:
        """What is wanted, and was not tried."""
        wanted = self._wanted
        return wanted if wanted is not None and wanted.seq > self._tried else None

    async def _is_settled(
        self, asked: workflow.ActivityHandle[Assisted], question: Question
    ) -> bool:
        """Whether nothing is left to be done: the message was answered, or is out of date."""
        await workflow.wait_condition(lambda: asked.done() or self._wanted != question)
        if not asked.done():
            asked.cancel()
            # Should it be its turn once more, it may try once more.
            self._tried = 0
            # How it ends is of no interest to anybody, and yet has to be looked at.
            asked.add_done_callback(lambda over: over.cancelled() or over.exception())
            return True
        return asked.exception() is None

    def _order(self, question: Question) -> AssistInput:
        return AssistInput(thread=self._thread, seq=question.seq)

    def _ask(self, question: Question) -> workflow.ActivityHandle[Assisted]:
        left = question.at + self.within * _SHARE - workflow.now()
        return workflow.start_activity_method(
            AnswerActivities.answer,
            self._order(question),
            task_queue=names.TASK_QUEUE_ASSIST,
            schedule_to_close_timeout=max(_LEAST, left),
            heartbeat_timeout=_BEAT,
            retry_policy=_RETRY,
            summary=f"answer to message {question.seq}",
        )

    def _ask_simply(self, question: Question) -> workflow.ActivityHandle[Assisted]:
        return workflow.start_local_activity_method(
            AnswerActivities.answer_simply,
            self._order(question),
            start_to_close_timeout=_SIMPLE,
            retry_policy=_RETRY,
            summary=f"answer to message {question.seq} without a model",
        )
