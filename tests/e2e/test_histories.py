"""5,000 messages on one ticket: its histories stay small, and hold no word of anybody."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus

from holdfast.embedded.temporal import HOST
from holdfast.ports import free_port
from tests.e2e.load import Writer, open_ticket
from tests.e2e.logs import check_kept, check_whole, read, until_handled
from tests.e2e.stack import Stack

MESSAGES = 5_000
WRITERS = 8
SUGGESTED = 100
"""Events after which this Temporal suggests to continue as new; by default it is 4,096."""
SLACK = 500
"""Events that a busy run adds until it hears of the suggestion, which is once in some seconds."""
SECRET = uuid4().hex
"""Stands in everything that a person writes or is called."""
AGENT = "agent-17"


@pytest.fixture(scope="module")
def temporal_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporal") / "temporal.db"


@pytest.fixture(scope="module")
def busy_stack(tmp_path_factory: pytest.TempPathFactory, temporal_file: Path) -> Iterator[Stack]:
    """A stack with a Temporal of its operator's, which suggests to continue as new early."""
    port = free_port()
    server = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("temporal")),
            *("server", "start-dev", "--headless", "--ip", HOST, "--port", str(port)),
            *("--db-filename", str(temporal_file), "--sqlite-pragma=journal_mode=wal"),
            *("--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={SUGGESTED}"),
            *("--log-level", "error"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack = Stack(tmp_path_factory.mktemp("stack"), TEMPORAL_ADDRESS=f"{HOST}:{port}")
    try:
        stack.up()
        yield stack
    finally:
        stack.end()
        server.kill()
        server.wait()


@pytest.mark.timeout(240)
async def test_of_a_ticket_with_5000_messages_stay_small_and_hold_no_word(
    busy_stack: Stack, temporal_file: Path
) -> None:
    ticket_id = await open_secret_ticket(busy_stack)
    writers = [
        Writer(f"{SECRET}-{number}", ("customer", "agent")[number % 2]) for number in range(WRITERS)
    ]
    async with busy_stack.client() as client:

        async def write(writer: Writer) -> None:
            for _ in range(MESSAGES // WRITERS):
                await writer.write_once(client, ticket_id)

        await asyncio.gather(*map(write, writers))
    await until_handled(busy_stack, within=20)

    async with busy_stack.database() as connection:
        log = (await read(connection, [ticket_id]))[ticket_id]
    check_whole(log)
    check_kept(log, ticket_id, writers)
    assert log.moves == log.moves_by_messages

    temporal = await busy_stack.temporal()
    runs = [run async for run in temporal.list_workflows()]
    assert any(run.status is WorkflowExecutionStatus.CONTINUED_AS_NEW for run in runs)
    parts: list[bytes] = []
    for run in runs:
        handle = temporal.get_workflow_handle(run.id, run_id=run.run_id)
        history = await handle.fetch_history()
        assert len(history.events) < SUGGESTED + SLACK
        parts += [event.SerializeToString() for event in history.events]
        parts.append(run.raw_info.SerializeToString())
    stored = b"".join(
        file.read_bytes() for file in temporal_file.parent.glob(f"{temporal_file.name}*")
    )
    for place in (b"".join(parts), stored):
        # What should be there is found, so what is not found is not there.
        assert AGENT.encode() in place
        assert SECRET.encode() not in place


async def open_secret_ticket(stack: Stack) -> str:
    """Everything that can be said of a ticket and its people, each with the secret in it."""
    who = ("--name", f"Ann {SECRET}", "--email", f"ann@{SECRET}.example")
    async with stack.client() as client, stack.client(stack.token("agent", AGENT, *who)) as agent:
        ticket_id = await open_ticket(
            client,
            source={"channel": "whatsapp", "origin_platform_id": f"wa-{SECRET}"},
            customer={
                "name": f"Ada {SECRET}",
                "primary_email": f"ada@{SECRET}.example",
                "channel_identity": f"+{SECRET}",
            },
            subject=f"About {SECRET}",
            initial_message=f"It says {SECRET}.",
            tags=[SECRET],
            metadata={"order": SECRET},
            attachments=[{"url": f"https://files.example/{SECRET}", "name": f"{SECRET}.png"}],
        )
        place = f"/api/tickets/{ticket_id}"
        note = {"content": f"Private: {SECRET}", "visibility": "private"}
        assert (await agent.post(f"{place}/message", json=note)).status_code == 200
        changes = {"subject": f"Still {SECRET}", "tags": [f"t-{SECRET}"], "priority": "high"}
        assert (await agent.put(place, json=changes)).status_code == 200
        assigned = await agent.put(f"{place}/assign", params={"agent_id": AGENT})
        assert assigned.status_code == 200
    return ticket_id
