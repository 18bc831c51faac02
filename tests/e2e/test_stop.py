"""However `holdfast up` ends, and whenever: nothing of it stays behind, and nothing is lost."""

import asyncio
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.load import Load, open_ticket
from tests.e2e.logs import check_kept, check_whole, read, until_handled
from tests.e2e.stack import SERVERS, Stack, until

pytestmark = pytest.mark.alone

SECONDS = 10.0


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("own"))
    yield stack
    if stack.running:
        stack.end(signal.SIGKILL)


async def test_interrupted_first_start_leaves_no_process_and_nothing_in_the_way(
    own_stack: Stack,
) -> None:
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 0)):
        own_stack.spawn()

        async def begun() -> bool:
            return bool(own_stack.family()) and own_stack.data.temporal.exists()

        await until(begun, 30, "Temporal has begun to make its tables")
        family = own_stack.family()
        assert await end(own_stack, number) == code
        assert not living(family)
    await asyncio.to_thread(own_stack.up)


async def test_ctrl_c_in_the_midst_of_work_leaves_no_process_and_loses_nothing(
    own_stack: Stack,
) -> None:
    if not own_stack.running:
        await asyncio.to_thread(own_stack.up)
    async with own_stack.client() as client:
        tickets = [await open_ticket(client) for _ in range(5)]
    load = Load(own_stack, tickets)
    async with load.going_on():
        await load.grow(50)
        family = own_stack.family()
        assert len(family) > len(SERVERS)
        assert await end(own_stack, signal.SIGINT) == 0
        assert not living(family)
        await asyncio.to_thread(own_stack.up)
        await load.grow(50)
    await until_handled(own_stack, within=20)
    async with own_stack.database() as connection:
        logs = await read(connection, tickets)
    for ticket_id, log in logs.items():
        check_whole(log)
        check_kept(log, ticket_id, load.writers)
        assert log.moves == log.moves_by_messages


async def test_kill9_of_it_leaves_no_orphan(own_stack: Stack) -> None:
    if not own_stack.running:
        await asyncio.to_thread(own_stack.up)
    family = own_stack.family()
    assert len(family) > len(SERVERS)
    assert await end(own_stack, signal.SIGKILL) == -signal.SIGKILL
    assert not living(family)


async def end(stack: Stack, number: signal.Signals) -> int:
    """The exit code, which comes within seconds."""
    started = time.monotonic()
    code = await asyncio.to_thread(stack.end, number)
    assert time.monotonic() - started < SECONDS
    return code


def living(family: list[psutil.Process]) -> list[psutil.Process]:
    """Which of them still live after a moment. Those whom nobody has buried yet do not."""
    _, left = psutil.wait_procs(family, timeout=3)
    return [each for each in left if each.status() != psutil.STATUS_ZOMBIE]
