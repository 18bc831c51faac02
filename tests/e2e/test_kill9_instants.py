"""`kill -9` in the instants that the protocol between log and workflow was made for."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import httpx
import pytest

from tests.e2e.load import open_ticket, persist
from tests.e2e.logs import Log, check_whole, read, until_handled
from tests.e2e.stack import Connection, Stack, until

pytestmark = pytest.mark.alone

RELAYED = 10.0
"""Seconds in which everything is handled once the stack is whole again."""


async def test_of_api_between_commit_and_nudge_is_healed_by_the_relay(stack: Stack) -> None:
    async with stack.client() as client, stack.database() as connection:
        known = await open_ticket(client)
        await until_handled(stack, within=10)
        # Without Temporal there is nobody who could hear the nudge before the API dies with it.
        with stack.without("temporal"):
            created = await open_ticket(client)
            body = {"content": "Hello?", "sender_type": "agent"}
            assert (await client.post(f"/api/tickets/{known}/message", json=body)).is_success
            killed = stack.servers
            stack.kill("api")
            for ticket_id in (known, created):
                log = await read_one(connection, ticket_id)
                assert log.handled_seq < log.last_seq
        await stack.until_back({name: killed[name] for name in ("api", "temporal")})
        await until_handled(stack, RELAYED)
        assert (await read_one(connection, known)).moves == [("new", "pending_customer")]
        # The workflow that could not even be started is there now, and judges.
        changed = await client.put(f"/api/tickets/{created}", json={"status": "open"})
        assert changed.status_code == 200
        for ticket_id in (known, created):
            check_whole(await read_one(connection, ticket_id))


async def test_of_worker_before_its_commit_decides_again(stack: Stack) -> None:
    async with stack.client() as client, stack.database() as connection:
        ticket_id = await open_ticket(client)
        await until_handled(stack, within=10)
        async with deciding(stack, client, ticket_id):
            killed = {"worker": stack.servers["worker"]}
            stack.kill("worker")
        await stack.until_back(killed)
        await until_handled(stack, within=30)
        log = await read_one(connection, ticket_id)
        check_whole(log)
        assert log.moves == [("new", "pending_customer")]


async def test_of_worker_after_its_commit_decides_nothing_twice(stack: Stack) -> None:
    async with stack.client() as client, stack.database() as connection:
        ticket_id = await open_ticket(client)
        await until_handled(stack, within=10)
        killed = {name: stack.servers[name] for name in ("temporal", "worker")}
        with ExitStack() as until_killed:
            async with deciding(stack, client, ticket_id):
                # A frozen one would find the worker's word in its mail when it wakes up.
                until_killed.enter_context(stack.without("temporal"))

            async def decided() -> bool:
                return bool((await read_one(connection, ticket_id)).moves)

            await until(decided, 10, "the decision is committed")
            stack.kill("worker")
        await stack.until_back(killed)
        # Only a workflow that goes on from where the log stands can carry this out.
        await persist(lambda: client.put(f"/api/tickets/{ticket_id}", json={"status": "resolved"}))
        await until_handled(stack, within=30)
        log = await read_one(connection, ticket_id)
        check_whole(log)
        assert log.moves == [("new", "pending_customer"), ("pending_customer", "resolved")]


async def read_one(connection: Connection, ticket_id: str) -> Log:
    return (await read(connection, [ticket_id]))[ticket_id]


@asynccontextmanager
async def deciding(stack: Stack, client: httpx.AsyncClient, ticket_id: str) -> AsyncIterator[None]:
    """An agent has replied, and as long as the block lasts the worker, which has decided what
    follows from it, waits to write that down."""
    async with (
        stack.database() as watcher,
        stack.database() as connection,
        connection.transaction(),
    ):
        # A change of status is tallied, a message is not.
        await connection.execute("LOCK TABLE ticket_tallies IN SHARE MODE")
        body = {"content": "Please try again.", "sender_type": "agent"}
        answer = await client.post(f"/api/tickets/{ticket_id}/message", json=body)
        assert answer.status_code == 200, answer.text

        async def waits() -> bool:
            found = await watcher.execute(
                "SELECT FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE tickets SET%'"
            )
            return found.rowcount == 1

        await until(waits, 10, "the worker waits to write")
        yield
