"""Everything that can break between a person's XMPP client and the log breaks, again and again:
each message is in its ticket once, each reply in the person's archive once, all in order."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from bridge.account import Account
from tests.bridge.prosody import HOST, INSTALLED, Prosody
from tests.bridge.wire import Wire
from tests.e2e.chatting import SETTINGS
from tests.e2e.stack import Stack, until
from tests.e2e.xmpp_chaos.faults import Faults, Standby
from tests.e2e.xmpp_chaos.traffic import Person, busy
from tests.e2e.xmpp_chaos.verdict import Truth

SECONDS = 60.0
PER_SECOND = 20.0
"""Messages in each direction."""
FAULT_EVERY = 4.0
SETTLED_WITHIN = 90.0
PEOPLE = ("ada", "bob", "cleo", "dan", "eve")


@pytest_asyncio.fixture
async def prosody(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prosody]:
    if not INSTALLED:
        pytest.skip("needs Prosody; tests/install brings it")
    async with Prosody(tmp_path_factory.mktemp("prosody")) as server:
        yield server


@pytest_asyncio.fixture
async def wire(prosody: Prosody) -> AsyncIterator[Wire]:
    """Between the bridges and the server."""
    async with Wire.to(prosody.port) as wire:
        yield wire


@pytest_asyncio.fixture
async def support(prosody: Prosody) -> Account:
    return await prosody.register("support")


@pytest_asyncio.fixture
async def stack(
    tmp_path_factory: pytest.TempPathFactory, support: Account, wire: Wire
) -> AsyncIterator[Stack]:
    settings = {
        "XMPP_USERNAME": "support",
        "XMPP_SERVER": support.domain,
        "XMPP_PASSWORD": support.password.get_secret_value(),
        "XMPP_HOST": HOST,
        "XMPP_PORT": str(wire.port),
        "XMPP_TLS": "none",
    }
    stack = Stack(tmp_path_factory.mktemp("stack"), **SETTINGS, **settings)
    try:
        # The wire needs this thread.
        await asyncio.to_thread(stack.up)

        async def connected() -> bool:
            return b"bridge_connected" in stack.output.read_bytes()

        # What was written to an account before its bridge came for the first time stays there.
        await until(connected, 30, "the bridge is connected")
        yield stack
    finally:
        await asyncio.to_thread(stack.end)


@pytest_asyncio.fixture
async def people(stack: Stack, prosody: Prosody, support: Account) -> list[Person]:
    """Each of them with a ticket."""
    accounts = [await prosody.register(name) for name in PEOPLE]
    people = [Person(account, support.bare_jid) for account in accounts]
    for person in people:
        await person.begin(stack)
    return people


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_doubled_or_overtaken(
    stack: Stack,
    prosody: Prosody,
    wire: Wire,
    support: Account,
    people: list[Person],
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    tell(f"\nCHAOS_SEED={seed}")
    with Standby.beside(stack, tmp_path / "standby.log") as standby:
        faults = Faults(seed, stack, standby, prosody, wire)
        async with busy(stack, people, PER_SECOND):
            await faults.go_on(SECONDS, FAULT_EVERY)
        truth = await Truth.of(prosody, support, people)
        complaints, seconds = await settled(stack, truth, people, support)
    answered = sum(len(each.answers) for each in people)
    tell(f"in {truth.count}, out {answered}, faults {dict(faults.happened)}")
    tell(f"settled after {seconds:.1f} s")
    assert complaints == []
    # Somebody was there to say something most of the time.
    assert min(truth.count, answered) > SECONDS * PER_SECOND / 2


async def settled(
    stack: Stack, truth: Truth, people: list[Person], support: Account
) -> tuple[list[str], float]:
    """What does not hold in the end, and how long it took until all held."""
    clock = asyncio.get_running_loop().time
    started = clock()
    complaints = ["not looked yet"]
    while complaints and clock() - started < SETTLED_WITHIN:
        try:
            complaints = await truth.complaints(stack, people, support)
        except psycopg.OperationalError as error:
            complaints = [str(error)]
        await asyncio.sleep(0.2)
    return complaints, clock() - started


def tell(line: str) -> None:
    print(line)  # noqa: T201  for whoever has to do it again
