"""Record the histories that `test_replay.py` replays:

    .venv/bin/python -m tests.workflows.record_histories

Run it when a new version of a workflow has made histories of a new kind, and keep the old files:
workflows that began under them may still be running somewhere.
"""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, Priority, TicketStatus
from domain.names import TASK_QUEUE_THREADS, ticket_workflow_id
from domain.ticket_life import Assign, SetPriority, SetStatus, Snooze
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.embedded.temporal import EmbeddedTemporal
from holdfast.ports import free_port
from store import migrate
from store.database import Database
from tests.workflows.desk import Desk
from tests.workflows.policies import CHAT
from workers.threads import Policies, make_worker
from workflows.engine import Engine

HISTORIES = Path(__file__).parents[1] / "histories"
SOON = timedelta(seconds=1)


async def answered_and_closed(desk: Desk) -> UUID:
    """What most tickets go through."""
    ticket_id = await desk.open()
    await desk.until_handled(ticket_id)
    await desk.change(ticket_id, Assign(agent_id="ada"), SetPriority(priority=Priority.HIGH))
    await desk.write(ticket_id, AuthorKind.AGENT)
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.PENDING_CUSTOMER)
    await desk.write(ticket_id, AuthorKind.CUSTOMER)
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.OPEN)
    await desk.change(ticket_id, SetStatus(status=TicketStatus.RESOLVED))
    await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
    return ticket_id


async def left_alone(desk: Desk) -> UUID:
    """Every timer rings: both deadlines, a snooze, and the close."""
    ticket_id = await desk.open(priority=Priority.URGENT)
    await desk.change(ticket_id, Snooze(until=datetime.now(UTC) + SOON))
    await desk.until(ticket_id, lambda state: state.snoozed_until is None)
    await desk.until(
        ticket_id, lambda state: all(each.breached_at for each in state.deadlines.values())
    )
    await desk.change(ticket_id, SetStatus(status=TicketStatus.RESOLVED))
    await desk.until(ticket_id, lambda state: state.status is TicketStatus.CLOSED)
    return ticket_id


async def still_open(desk: Desk) -> UUID:
    """The workflow is asleep, with a timer running."""
    ticket_id = await desk.open()
    for author in (AuthorKind.AGENT, AuthorKind.CUSTOMER, AuthorKind.AGENT):
        await desk.write(ticket_id, author)
        await desk.until_handled(ticket_id)
    return ticket_id


async def record() -> None:
    policy = DeadlinePolicy(
        first_response=dict.fromkeys(Priority, timedelta(hours=1)) | {Priority.URGENT: SOON},
        resolution=dict.fromkeys(Priority, timedelta(hours=2)) | {Priority.URGENT: 2 * SOON},
        auto_close=SOON,
    )
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedPostgres(Path(folder) / "postgres", durable=False) as postgres,
            EmbeddedTemporal(port=free_port(), output=Path(folder) / "temporal.log") as temporal,
        ):
            await asyncio.to_thread(migrate.upgrade, postgres.dsn)
            database = Database(postgres.dsn)
            client = await Client.connect(temporal.address, data_converter=pydantic_data_converter)
            desk = Desk(database, Engine(client), policy)
            async with make_worker(
                client, database, Policies(policy, CHAT), task_queue=TASK_QUEUE_THREADS
            ):
                for scenario in (answered_and_closed, left_alone, still_open):
                    ticket_id = await scenario(desk)
                    handle = client.get_workflow_handle(ticket_workflow_id(ticket_id))
                    history = await handle.fetch_history()
                    file = HISTORIES / f"ticket_{scenario.__name__}.json"
                    await asyncio.to_thread(file.write_text, history.to_json() + "\n")
            await database.close()
            await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(record())
