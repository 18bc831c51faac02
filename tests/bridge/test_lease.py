"""Who of two bridges works, with a real database."""

import asyncio

from bridge.lease import Lease
from store.database import Database
from tests.bridge.waiting import until

ACCOUNT = "support@example.org"


async def hold(lease: Lease, held: asyncio.Event, let_go: asyncio.Event) -> None:
    async with lease.held():
        held.set()
        await let_go.wait()


async def test_second_gets_it_when_the_first_gives_it_back(database: Database) -> None:
    second_has_it, never = asyncio.Event(), asyncio.Event()
    async with Lease(database, ACCOUNT).held():
        waiting = asyncio.create_task(hold(Lease(database, ACCOUNT), second_has_it, never))
        # It looks for it more than once meanwhile.
        await asyncio.sleep(1.2)
        assert not second_has_it.is_set()
    await asyncio.wait_for(second_has_it.wait(), 5)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_second_gets_it_when_the_first_has_died(database: Database) -> None:
    first_has_it, second_has_it, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
    first = Lease(database, ACCOUNT)
    dying = asyncio.create_task(hold(first, first_has_it, never))
    await first_has_it.wait()
    # The dead give nothing back, and renew nothing.
    first._release = asyncio.sleep  # type: ignore[assignment]
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    taking = asyncio.create_task(hold(Lease(database, ACCOUNT), second_has_it, never))
    await until(second_has_it.is_set, patience=10)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


async def test_lost_database_ends_it(database: Database) -> None:
    """Nobody can tell any more whose it is."""
    async with Lease(database, ACCOUNT).held() as lost:
        await database.close()
        database.begin = _away  # type: ignore[method-assign, assignment]
        await asyncio.wait_for(lost.wait(), 10)


def _away() -> object:
    raise TimeoutError
