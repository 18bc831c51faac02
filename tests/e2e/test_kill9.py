"""`kill -9` under load: what was answered is kept once, handled once, in order."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.load import Load, Steward, open_ticket
from tests.e2e.logs import check_kept, check_whole, read, until_handled
from tests.e2e.stack import SERVERS, Stack

pytestmark = pytest.mark.alone

TICKETS = 20
BEFORE, AFTER = 40, 80
"""Messages answered before a kill, and again after the stack has come back."""


@pytest.fixture(scope="module")
def agents(shared_stack: Stack) -> list[str]:
    agents = ["ann", "bob", "cy"]
    for agent in agents:
        added = shared_stack.house.run("agent", "add", "--id", agent, "--name", agent)
        assert added.returncode == 0, added.stderr
    return agents


@pytest_asyncio.fixture
async def load(stack: Stack, agents: list[str]) -> AsyncIterator[Load]:
    """Fresh tickets and people to work on them; whatever a test does to the stack meanwhile,
    in the end the books must balance."""
    async with stack.client() as client:
        tickets = [await open_ticket(client) for _ in range(TICKETS)]
        steered = await open_ticket(client)
    steward = Steward(steered, agents)
    load = Load(stack, tickets, steward)
    yield load
    await until_handled(stack, within=30)
    async with stack.database() as connection:
        logs = await read(connection, [*tickets, steered])
    for log in logs.values():
        check_whole(log)
    for ticket_id in tickets:
        log = logs[ticket_id]
        check_kept(log, ticket_id, load.writers)
        assert log.moves == log.moves_by_messages
    told = logs[steered].events("assigned", "status_changed")
    assert [(event["type"], event["after"]) for event in told] == steward.changes


@pytest.mark.parametrize("name", SERVERS)
async def test_of_one_server_loses_and_doubles_nothing(stack: Stack, load: Load, name: str) -> None:
    async with load.going_on():
        await load.grow(BEFORE)
        killed = {name: stack.servers[name]}
        stack.kill(name)
        await stack.until_back(killed)
        await load.grow(AFTER)


async def test_of_all_servers_at_once_loses_and_doubles_nothing(stack: Stack, load: Load) -> None:
    async with load.going_on():
        await load.grow(BEFORE)
        killed = stack.servers
        stack.kill(*SERVERS)
        await stack.until_back(killed)
        await load.grow(AFTER)


async def test_of_everything_and_up_again_loses_and_doubles_nothing(
    stack: Stack, load: Load
) -> None:
    async with load.going_on():
        await load.grow(BEFORE)
        stack.kill("temporal", "worker")
        assert stack.end(signal.SIGKILL) == -signal.SIGKILL
        await asyncio.to_thread(stack.up)
        await load.grow(AFTER)
