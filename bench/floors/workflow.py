"""The bare workflow of floors C and D: it waits, and an update of it inserts one row."""

from datetime import timedelta

from temporalio import workflow

TASK_QUEUE = "floors"
INSERT = "insert"


@workflow.defn(name="Floor")
class FloorWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def note(self, content: str) -> int:
        entry_id: int = await workflow.execute_local_activity(
            INSERT, content, start_to_close_timeout=timedelta(seconds=20), result_type=int
        )
        return entry_id
