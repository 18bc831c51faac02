"""One errand: an activity that is tried until it is done.

The activity itself knows when to give up, and how long to wait in between where that matters.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from domain import names
    from domain.errands import Errand

_A_WHILE = timedelta(minutes=10)
_BEAT = timedelta(seconds=10)
"""An activity that is silent for so long is dead, and tried again elsewhere."""
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=15))


@workflow.defn(name=names.ERRAND_WORKFLOW)
class ErrandWorkflow:
    @workflow.run
    async def run(self, errand: Errand) -> None:
        await workflow.execute_activity(
            errand.kind.value,
            errand.id,
            task_queue=names.TASK_QUEUE_ERRANDS,
            start_to_close_timeout=_A_WHILE,
            heartbeat_timeout=_BEAT,
            retry_policy=_RETRY,
        )
