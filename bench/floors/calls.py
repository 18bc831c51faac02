"""What floors A, C and D are asked for, by the same callers as the figures."""

from uuid import uuid4

from temporalio.client import Client, WorkflowHandle

from bench.client.http import Http
from bench.floors.workflow import TASK_QUEUE, FloorWorkflow
from bench.timing import side_by_side

Handle = WorkflowHandle[FloorWorkflow, None]
_CONTENT = "I tried again this morning, and the payment page still stays blank after I log in."


async def insert(http: Http) -> None:
    """Floor A."""
    await http.post("/insert", {"thread": "floor", "content": _CONTENT})


async def update(handle: Handle) -> None:
    """Floor C."""
    await handle.execute_update(FloorWorkflow.note, _CONTENT)


async def start(temporal: Client) -> Handle:
    """Floor D."""
    return await temporal.start_workflow(
        FloorWorkflow.run, id=f"floor/{uuid4()}", task_queue=TASK_QUEUE
    )


async def begun(temporal: Client, callers: int, number: int) -> list[Handle]:
    """So many workflows that have been updated once, so that none has still to begin."""
    handles: list[Handle] = []

    async def begin(_: int) -> None:
        handle = await start(temporal)
        await update(handle)
        handles.append(handle)

    await side_by_side(callers, number, begin)
    return handles
