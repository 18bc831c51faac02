"""Parts are away: what was said is still kept, and what must happen next waits for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from tests.e2e.load import new_ticket, open_ticket
from tests.e2e.logs import check_whole, read, until_handled
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.alone

QUICK = 3.0
"""Seconds for what does not need the part that is away, on a busy machine."""
NO_HANG = 12.0
"""Seconds for any answer, also when it can only be "try again"."""
OUTAGE = 14.0
"""Seconds. So long that whoever tries again ever more seldom has become slow at it."""
CAUGHT_UP = 10.0
"""Seconds after Temporal's return in which everything is handled."""


def killed(stack: Stack) -> AbstractContextManager[None]:
    return stack.without("temporal")


def frozen(stack: Stack) -> AbstractContextManager[None]:
    return stack.frozen("temporal")


@pytest.mark.parametrize("away", [killed, frozen])
async def test_without_temporal_messages_are_taken_and_changes_refused(
    stack: Stack, away: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    async with stack.client(stack.token("agent", "ann")) as client:
        known = await open_ticket(client)
        await until_handled(stack, within=10)
        with away(stack):
            lost_at = time.monotonic()
            place = f"/api/tickets/{known}"
            # More than may be under way at once, so that some wait for others.
            refusals = asyncio.gather(
                *(timed(client.put(place, json={"status": "resolved"})) for _ in range(9)),
                timed(client.put(f"{place}/assign", params={"agent_id": "ann"})),
            )
            created: list[str] = []
            for number in range(10):
                answer, took = await timed(client.post("/api/tickets/create", json=new_ticket()))
                assert (answer.status_code, took < QUICK) == (201, True)
                created.append(answer.json()["ticket_id"])
                reply = {"content": f"Reply {number}"}
                answer, took = await timed(client.post(f"{place}/message", json=reply))
                assert (answer.status_code, took < QUICK) == (200, True)
            for answer, took in await refusals:
                assert (answer.status_code, took < NO_HANG) == (503, True), took
                assert int(answer.headers["Retry-After"]) > 0
            await until_unready(stack, {"engine"})
            await asyncio.sleep(max(0.0, lost_at + OUTAGE - time.monotonic()))

        async def returned() -> bool:
            return "engine" not in await unready_parts(stack)

        await until(returned, 20, "Temporal has returned")
        await until_handled(stack, CAUGHT_UP)
        for ticket_id in created:
            answer = await client.put(f"/api/tickets/{ticket_id}", json={"status": "open"})
            assert answer.status_code == 200, answer.text
    async with stack.database() as connection:
        for log in (await read(connection, [known, *created])).values():
            check_whole(log)


async def test_without_database_nothing_is_promised(stack: Stack) -> None:
    async with stack.client() as client:
        known = await open_ticket(client)
        with stack.without("postgres"):
            for call in (
                client.post("/api/tickets/create", json=new_ticket()),
                client.post(f"/api/tickets/{known}/message", json={"content": "Hello?"}),
                client.put(f"/api/tickets/{known}", json={"status": "open"}),
                client.get(f"/api/tickets/{known}"),
            ):
                answer, took = await timed(call)
                assert (answer.status_code, took < NO_HANG) == (503, True), answer.text
                assert int(answer.headers["Retry-After"]) > 0
            await until_unready(stack, {"database"})
        await stack.until_ready()
        assert (await client.get(f"/api/tickets/{known}")).json()["last_seq"] == 1


@pytest.mark.parametrize("away", [Stack.without, Stack.frozen])
async def test_without_worker_it_is_not_ready(
    stack: Stack, away: Callable[[Stack, str], AbstractContextManager[None]]
) -> None:
    with away(stack, "worker"):
        await until_unready(stack, {"worker"})
        assert await unready_parts(stack) == {"worker"}
    await stack.until_ready()


async def timed(call: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    """An answer, and the seconds that it took."""
    started = time.monotonic()
    return await call, time.monotonic() - started


async def until_unready(stack: Stack, parts: set[str]) -> None:
    """What was found out once is told for a while, hence the patience."""

    async def known() -> bool:
        return await unready_parts(stack) >= parts

    await until(known, 10, f"{parts} are said to be away")


async def unready_parts(stack: Stack) -> set[str]:
    """Which parts `/api/ready` says cannot do work."""
    answer = await stack.readiness()
    assert answer.status_code in (200, 503)
    said = answer.json()
    parts = {name for name, state in said.items() if state == "unavailable"}
    assert (answer.status_code, said["ready"]) == ((503, False) if parts else (200, True))
    return parts
