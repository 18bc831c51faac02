"""Deadlines are kept to the second, on a real server, whatever happens in between."""

import asyncio
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from psycopg.types.json import Jsonb

from domain.ids import parse_ticket_ref
from tests.e2e.load import new_ticket, open_ticket, persist
from tests.e2e.logs import until_handled
from tests.e2e.stack import Connection, Stack, until

pytestmark = pytest.mark.alone

ON_TIME = 1.0
"""Seconds after its time in which a deadline fires."""
BACK = 2.0
"""Seconds after the return of what a deadline needs, when its time has passed meanwhile."""

SETTINGS = {
    "TICKET_AUTO_CLOSE": "2s",
    "SLA_FIRST_RESPONSE_URGENT": "2s",
    "SLA_RESOLUTION_URGENT": "3s",
    "SLA_FIRST_RESPONSE_HIGH": "4s",
    "SLA_RESOLUTION_HIGH": "15s",
}


@pytest.fixture(scope="module")
def hasty_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("hasty"), **SETTINGS)
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


async def test_fire_within_a_second(hasty_stack: Stack) -> None:
    async with hasty_stack.client() as client, hasty_stack.database() as connection:
        urgent = [await open_ticket(client, priority="urgent") for _ in range(5)]
        for ticket_id in urgent:
            due = await due_times(client, ticket_id)
            for kind in ("first_response", "resolution"):
                fired = await fired_at(connection, ticket_id, "deadline_breached", kind)
                assert_on_time(fired, due[kind])
            assert (await client.get(f"/api/tickets/{ticket_id}")).json()["breached"]
        attention = await client.get("/api/tickets/", params={"sort": "attention"})
        assert attention.json()["tickets"][0]["ticket_id"] in urgent


async def test_snooze_wakes_within_a_second(hasty_stack: Stack) -> None:
    async with hasty_stack.client() as client, hasty_stack.database() as connection:
        ticket_id = await open_ticket(client)
        wakes_at = datetime.now(UTC) + timedelta(seconds=1.5)
        change = {"snoozed_until": wakes_at.isoformat()}
        answer = await client.put(f"/api/tickets/{ticket_id}", json=change)
        assert answer.status_code == 200, answer.text
        fired = await fired_at(connection, ticket_id, "woken")
        assert_on_time(fired, wakes_at)


async def test_resolved_ticket_closes_by_itself_within_a_second(hasty_stack: Stack) -> None:
    async with hasty_stack.client() as client, hasty_stack.database() as connection:
        ticket_id = await open_ticket(client)
        resolved = await client.put(f"/api/tickets/{ticket_id}", json={"status": "resolved"})
        assert resolved.status_code == 200, resolved.text
        stored = await connection.execute(
            "SELECT auto_close_at FROM tickets WHERE id = %s", [parse_ticket_ref(ticket_id)]
        )
        row = await stored.fetchone()
        assert row is not None
        fired = await fired_at(connection, ticket_id, "status_changed", after="closed")
        assert_on_time(fired, row["auto_close_at"])


async def test_fire_though_the_worker_was_killed(hasty_stack: Stack) -> None:
    """Killed just before the time comes, so that Temporal still hopes for it."""
    async with hasty_stack.client() as client, hasty_stack.database() as connection:
        ticket_id = await open_ticket(client, priority="high")
        await until_handled(hasty_stack, within=5)
        due = (await due_times(client, ticket_id))["first_response"]
        while datetime.now(UTC) < due - timedelta(seconds=1):
            await asyncio.sleep(0.01)
        hasty_stack.kill("worker")
        back = await working_since(client)
        fired = await fired_at(connection, ticket_id, "deadline_breached", "first_response")
        assert_on_time(fired, due, back)


async def test_fire_though_everything_was_killed(hasty_stack: Stack) -> None:
    """One whose time passes meanwhile, as soon as all is back; one that is due later, on time."""
    async with hasty_stack.client() as client:
        ticket_id = await open_ticket(client, priority="high")
        await until_handled(hasty_stack, within=5)
        due = await due_times(client, ticket_id)
        assert hasty_stack.end(signal.SIGKILL) == -signal.SIGKILL
        while datetime.now(UTC) < due["first_response"]:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(hasty_stack.up)
        back = await working_since(client)
        async with hasty_stack.database() as connection:
            for kind in due:
                fired = await fired_at(connection, ticket_id, "deadline_breached", kind)
                assert_on_time(fired, due[kind], back)


def assert_on_time(fired: datetime, due: datetime, back: datetime | None = None) -> None:
    """Within a second of its time; or soon after all was `back`, if that was later."""
    latest = due + timedelta(seconds=ON_TIME)
    if back is not None:
        latest = max(latest, back + timedelta(seconds=BACK))
    assert due <= fired < latest, f"due {due}, back {back}, fired {fired}"


async def due_times(client: httpx.AsyncClient, ticket_id: str) -> dict[str, datetime]:
    deadlines = (await client.get(f"/api/tickets/{ticket_id}")).json()["deadlines"]
    return {kind: datetime.fromisoformat(each["due_at"]) for kind, each in deadlines.items()}


async def working_since(client: httpx.AsyncClient) -> datetime:
    """Return once a ticket's workflow can be had to do something again, with that instant."""
    answer = await persist(lambda: client.post("/api/tickets/create", json=new_ticket()))
    place = f"/api/tickets/{answer.json()['ticket_id']}"
    answer = await persist(lambda: client.put(place, json={"status": "open"}))
    assert answer.status_code == 200, answer.text
    return datetime.now(UTC)


async def fired_at(
    connection: Connection, ticket_id: str, kind: str, deadline: str = "", after: str = ""
) -> datetime:
    """When the log tells of it; it must do so once."""
    found: list[datetime] = []

    async def fired() -> bool:
        rows = await connection.execute(
            "SELECT created_at FROM messages WHERE thread_id = %s AND event @> %s",
            [parse_ticket_ref(ticket_id), Jsonb(event)],
        )
        found[:] = [row["created_at"] for row in await rows.fetchall()]
        return bool(found)

    event = {"type": kind, "deadline": deadline, "after": after}
    event = {key: value for key, value in event.items() if value}
    await until(fired, 30, f"the log of {ticket_id} tells of {event}")
    (once,) = found
    return once
