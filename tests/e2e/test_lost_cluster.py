"""Temporal's data are gone, the log is there: every open ticket gets its workflow back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domain.ids import parse_ticket_ref
from tests.e2e.load import open_ticket
from tests.e2e.logs import check_whole, read, until_handled
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.alone


async def test_every_open_ticket_gets_its_workflow_and_its_deadlines_back(stack: Stack) -> None:
    async with stack.client() as client:
        waiting = [await open_ticket(client, priority=each) for each in ("low", "high", "urgent")]
        snoozed, wakes_soon, resolved, closed = [await open_ticket(client) for _ in range(4)]
        await change(client, snoozed, snoozed_until=in_seconds(3600))
        await change(client, wakes_soon, snoozed_until=in_seconds(10))
        await change(client, resolved, status="resolved")
        await change(client, closed, status="closed")
        await until_handled(stack, within=10)
        live = [*waiting, snoozed, wakes_soon, resolved]
        before = {ticket_id: await process(client, ticket_id) for ticket_id in live}
        assert all(view["alarms"] for view in before.values())

        lost = {"temporal": stack.servers["temporal"]}
        with stack.without("temporal"):
            for file in stack.data.path.glob("temporal.db*"):
                file.unlink()
        await stack.until_back(lost)

        async def restored() -> bool:
            answers = [await client.get(f"/api/tickets/{each}/process") for each in live]
            return all(answer.status_code == 200 for answer in answers)

        await until(restored, 20, "every open ticket has its workflow back")
        for ticket_id in live:
            view = await process(client, ticket_id)
            if ticket_id != wakes_soon:
                assert view == before[ticket_id]
        # It is a cluster that knows nothing of before, and nothing that has ended lives again.
        temporal = await stack.temporal()
        running = {each.id async for each in temporal.list_workflows("ExecutionStatus='Running'")}
        assert f"ticket/{parse_ticket_ref(closed)}" not in running

        # They live: commands are obeyed, messages heard, and a time that comes is kept.
        await change(client, resolved, status="open")
        reply = {"content": "We are at it.", "sender_type": "agent"}
        answer = await client.post(f"/api/tickets/{waiting[0]}/message", json=reply)
        assert answer.status_code == 200

        async def woken() -> bool:
            view = (await client.get(f"/api/tickets/{wakes_soon}")).json()
            return view["snoozed_until"] is None

        await until(woken, 20, "the snoozed ticket wakes")
        await until_handled(stack, within=10)
    async with stack.database() as connection:
        logs = await read(connection, [*live, closed])
    for log in logs.values():
        check_whole(log)
    assert logs[waiting[0]].moves == [("new", "pending_customer")]
    assert logs[resolved].moves == [("new", "resolved"), ("resolved", "open")]
    assert len(logs[wakes_soon].events("woken")) == 1


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def change(client: httpx.AsyncClient, ticket_id: str, **changes: str) -> None:
    answer = await client.put(f"/api/tickets/{ticket_id}", json=changes)
    assert answer.status_code == 200, answer.text


async def process(client: httpx.AsyncClient, ticket_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/tickets/{ticket_id}/process")
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view
