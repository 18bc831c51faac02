"""A thread's replies on their way out, seen from its workflow: it only says when to send."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.deliveries import DeliveryActivities, UnsentDeliveries
    from domain import names
    from domain.deliveries import Delivered, DeliverInput, goes_out
    from domain.events import Head

_A_WHILE = timedelta(minutes=10)
_BEAT = timedelta(seconds=5)
"""A sender that is silent for so long is dead, and another is asked."""
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=15),
)
"""Without an end: the activity itself knows when to give up."""


class Outbox:
    """Has the outlet's task queue send what is pending, one activity at a time.

    Level-triggered as all else: the activity looks itself for what is pending, so it does not
    matter how often it is asked.
    """

    def __init__(self, thread_id: UUID) -> None:
        self._order = DeliverInput(thread_id=thread_id)
        self._outlet: str | None = None
        self._sending = False
        self.unserved_after: timedelta | None = None
        """How long it may take until somebody takes up what is to be sent."""

    @property
    def busy(self) -> bool:
        return self._sending or self._outlet is not None

    def send(self, outlet: str | None) -> None:
        """Something is pending. None where nothing goes out."""
        self._outlet = outlet or self._outlet

    def hear(self, heads: Sequence[Head], outlet: str | None) -> None:
        if any(goes_out(head.author, head.visibility) for head in heads):
            self.send(outlet)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await workflow.wait_condition(lambda: self._outlet is not None)
            outlet, self._outlet, self._sending = str(self._outlet), None, True
            try:
                if (await self._deliver(outlet)).more:
                    self.send(outlet)
            except ActivityError:
                # Nobody has taken it up: what else can happen, the activity tries again.
                if await self._is_anything_left():
                    self.send(outlet)
            finally:
                self._sending = False

    async def _deliver(self, outlet: str) -> Delivered:
        return await workflow.execute_activity_method(
            DeliveryActivities.deliver,
            self._order,
            task_queue=names.delivery_queue(outlet),
            schedule_to_start_timeout=self.unserved_after,
            start_to_close_timeout=_A_WHILE,
            heartbeat_timeout=_BEAT,
            retry_policy=_RETRY,
            summary=f"replies by {outlet}",
        )

    async def _is_anything_left(self) -> bool:
        return await workflow.execute_local_activity_method(
            UnsentDeliveries.give_up_unsent, self._order, start_to_close_timeout=_A_WHILE
        )
