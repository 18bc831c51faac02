"""Who is there, and what the logs tell of it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.conversation_life import Close, Release, Transfer
from domain.models import Side, ThreadRef
from store import agents, attendance, conversations, presences
from store.database import Database
from store.presences import Person
from store.reading import Entry
from tests.store.chatting import (
    accept,
    events_of,
    hire,
    log_of,
    new_conversation,
    new_customer,
    order,
    start,
)

BOB = Person(Side.AGENT, "bob")
LONG_AGO = timedelta(seconds=30)


class Process:
    """An api process, as far as it notes who is there."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.id = uuid4()

    async def beat(self) -> bool:
        async with self.database.begin() as session:
            return await attendance.beat(session, self.id)

    async def arrive(self, *people: Person) -> list[ThreadRef]:
        return await self.note(dict.fromkeys(people))

    async def depart(self, *people: Person, ago: timedelta = LONG_AGO) -> list[ThreadRef]:
        return await self.note(dict.fromkeys(people, datetime.now(UTC) - ago))

    async def note(self, here: dict[Person, datetime | None]) -> list[ThreadRef]:
        async with self.database.begin() as session:
            return await attendance.note(session, self.id, here)

    async def leave(self) -> None:
        async with self.database.begin() as session:
            await attendance.leave(session, self.id)

    async def die(self) -> None:
        """Long enough ago that it is noticed."""
        async with self.database.begin() as session:
            await session.execute(
                text("UPDATE api_processes SET seen_at = now() - interval '10s' WHERE id = :id"),
                {"id": self.id},
            )


@pytest.fixture
async def process(database: Database) -> Process:
    return await begin(database)


@pytest.fixture
async def customer(database: Database) -> Person:
    return Person(Side.CUSTOMER, str(await new_customer(database)))


@pytest.fixture
async def conversation_id(database: Database, customer: Person) -> UUID:
    return (await start(database, UUID(customer.id))).conversation_id


async def begin(database: Database) -> Process:
    process = Process(database)
    await process.beat()
    return process


async def sweep(database: Database) -> list[UUID]:
    async with database.begin() as session:
        swept = await attendance.sweep(session)
    return [ref.id for ref in swept.told]


async def time_passes(database: Database) -> None:
    """More than the blink of an eye for all who have gone."""
    async with database.begin() as session:
        await session.execute(text("UPDATE presences SET gone_at = gone_at - interval '2s'"))


async def flags(database: Database, conversation_id: UUID) -> tuple[bool, bool]:
    """Whether the log has the customer present, and the agent absent."""
    async with database.begin() as session:
        row = (await conversations.find(session, conversation_id)).conversation
    return row.customer_present, row.agent_absent


async def last_seen(database: Database, agent_id: str, ago: timedelta) -> None:
    async with database.begin() as session:
        await session.execute(
            text("UPDATE agents SET last_seen_at = now() - :ago WHERE id = :id"),
            {"ago": ago, "id": agent_id},
        )


async def has_gone(database: Database, agent_id: str) -> bool:
    """From all their sockets, and is not known to work without."""
    async with database.begin() as session:
        agent = await agents.find(session, agent_id)
    assert agent is not None
    return agent.gone_at is not None


async def sign_off(database: Database) -> None:
    """In two transactions, as the api does."""
    async with database.begin() as session:
        await agents.set_duty(session, "bob", on_duty=False)
    async with database.begin() as session:
        await attendance.sign_off(session, "bob")


async def accept_another(database: Database) -> None:
    another = await new_conversation(database)
    await accept(database, another, "bob")
    await order(database, another, Close())


async def is_here(database: Database, person: Person) -> bool:
    async with database.begin() as session:
        return await presences.is_here(session, person)


class TestBeat:
    async def test_new_process_has_to_note_everybody(self, database: Database) -> None:
        assert not await Process(database).beat()

    async def test_living_process_need_not(self, process: Process) -> None:
        assert await process.beat()

    async def test_process_that_was_thought_dead_has_to(self, process: Process) -> None:
        await process.die()
        assert not await process.beat()
        assert await process.beat()

    async def test_process_that_was_forgotten_has_to(
        self, database: Database, process: Process
    ) -> None:
        await process.die()
        await sweep(database)
        assert not await process.beat()


class TestCustomer:
    async def test_who_comes_is_told_once(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        told = await process.arrive(customer)
        assert [ref.id for ref in told] == [conversation_id]
        assert await process.arrive(customer) == []
        assert await events_of(database, conversation_id) == ["queued", "arrived"]
        assert await flags(database, conversation_id) == (True, False)

    async def test_who_goes_is_told_once_and_since_when(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await process.arrive(customer)
        await process.depart(customer)
        assert await sweep(database) == [conversation_id]
        assert await sweep(database) == []
        event = (await log_of(database, conversation_id))[-1].event
        assert event is not None
        assert (event["type"], event["side"], event["status"]) == (
            "disconnected",
            "CUSTOMER",
            "QUEUED",
        )
        gone_for = datetime.now(UTC) - datetime.fromisoformat(event["since"])
        assert LONG_AGO <= gone_for < 2 * LONG_AGO
        assert await flags(database, conversation_id) == (False, False)

    async def test_blink_is_not_told(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await process.arrive(customer)
        await process.depart(customer, ago=timedelta(0))
        assert await sweep(database) == []
        assert await process.arrive(customer) == []
        await time_passes(database)
        assert await sweep(database) == []
        assert await events_of(database, conversation_id) == ["queued", "arrived"]

    async def test_who_returns_at_another_process_was_never_gone(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        other = await begin(database)
        await process.arrive(customer)
        await process.depart(customer)
        await other.arrive(customer)
        assert await sweep(database) == []
        assert await is_here(database, customer)

    async def test_who_is_at_two_processes_is_gone_when_both_are_left(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        other = await begin(database)
        await process.arrive(customer)
        await other.arrive(customer)
        await process.depart(customer)
        assert await sweep(database) == []
        await other.depart(customer)
        assert await sweep(database) == [conversation_id]

    async def test_blink_counts_from_the_last_socket(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        """One page was left long ago, the other an instant ago: it is only being loaded anew."""
        other = await begin(database)
        await process.arrive(customer)
        await other.arrive(customer)
        await process.depart(customer)
        await other.depart(customer, ago=timedelta(0))
        assert await sweep(database) == []
        await time_passes(database)
        assert await sweep(database) == [conversation_id]

    async def test_who_comes_back_is_told_again(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await process.arrive(customer)
        await process.depart(customer)
        await sweep(database)
        await process.arrive(customer)
        told = await events_of(database, conversation_id)
        assert told == ["queued", "arrived", "disconnected", "arrived"]

    async def test_who_has_no_conversation_is_just_there(
        self, database: Database, process: Process, customer: Person
    ) -> None:
        assert await process.arrive(customer) == []
        assert await is_here(database, customer)
        await process.depart(customer)
        assert await sweep(database) == []
        assert not await is_here(database, customer)

    async def test_next_conversation_knows_that_the_customer_is_here(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        """The page stays open when a conversation ends and the next begins."""
        await process.arrive(customer)
        await order(database, conversation_id, Close())
        following = (await start(database, UUID(customer.id))).conversation_id
        assert await events_of(database, following) == ["queued", "arrived"]
        await process.depart(customer)
        assert await sweep(database) == [following]

    async def test_closed_conversation_is_told_nothing(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await order(database, conversation_id, Close())
        assert await process.arrive(customer) == []


class TestAgent:
    @pytest.fixture(autouse=True)
    async def bob_has_it(self, database: Database, conversation_id: UUID) -> None:
        await hire(database, "bob", "eve")
        await accept(database, conversation_id, "bob")

    async def test_who_is_here_from_the_start_is_not_told(self, process: Process) -> None:
        assert await process.arrive(BOB) == []

    async def test_who_goes_and_comes_back_is_told_to_each_conversation(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        second = await new_conversation(database)
        await accept(database, second, "bob")
        await process.arrive(BOB)
        await process.depart(BOB)
        assert set(await sweep(database)) == {conversation_id, second}
        assert await flags(database, second) == (False, True)
        assert {ref.id for ref in await process.arrive(BOB)} == {conversation_id, second}
        assert await flags(database, second) == (False, False)
        told = await events_of(database, second)
        assert told == ["queued", "assigned", "disconnected", "arrived"]

    async def test_new_agent_is_not_absent_because_the_last_was(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        await process.arrive(BOB)
        await process.depart(BOB)
        await sweep(database)
        await order(database, conversation_id, Transfer(to_agent_id="eve"))
        assert await flags(database, conversation_id) == (False, False)

    async def test_who_accepts_without_a_socket_is_there(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        """Once they had sockets; now they work without, and keep what they have."""
        await process.arrive(BOB)
        await process.depart(BOB)
        await sweep(database)
        late = await new_conversation(database)
        await accept(database, late, "bob")
        assert await sweep(database) == [conversation_id]
        assert await sweep(database) == []
        assert await flags(database, late) == (False, False)
        assert await flags(database, conversation_id) == (False, False)

    async def test_who_gets_one_while_gone_is_told_to_be_gone(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        """Since it was given to them: they have the time of grace to come back for it."""
        await process.arrive(BOB)
        await process.depart(BOB)
        await sweep(database)
        late = await new_conversation(database)
        await accept(database, late, "eve")
        await order(database, late, Transfer(to_agent_id="bob"), by="eve")
        assert await sweep(database) == [late]
        assert await sweep(database) == []
        assert await flags(database, late) == (False, True)
        *_, given, told = await log_of(database, late)
        assert told.event is not None
        since = datetime.fromisoformat(told.event["since"])
        assert abs(since - given.created_at) < timedelta(seconds=5)

    async def test_who_works_without_sockets_is_never_gone(
        self, database: Database, conversation_id: UUID
    ) -> None:
        assert await sweep(database) == []

    async def test_next_shift_may_be_without_sockets(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        await process.arrive(BOB)
        await process.depart(BOB)
        await sweep(database)
        await hire(database, "bob")
        assert await sweep(database) == [conversation_id]
        assert (await events_of(database, conversation_id))[-1] == "arrived"
        await accept(database, await new_conversation(database), "bob")
        assert await sweep(database) == []

    async def test_who_gets_one_and_was_not_seen_of_late_is_absent(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        """Since it was given to them."""
        async with database.begin() as session:
            await agents.add(session, "zoe", "Zoe")
        await order(database, conversation_id, Transfer(to_agent_id="zoe"), by="bob")
        assert await sweep(database) == [conversation_id]
        assert await sweep(database) == []
        assert await flags(database, conversation_id) == (False, True)
        *_, given, told = await log_of(database, conversation_id)
        assert told.event is not None
        assert (told.event["type"], told.event["by"]) == ("disconnected", "zoe")
        since = datetime.fromisoformat(told.event["since"])
        assert abs(since - given.created_at) < timedelta(seconds=5)
        await process.arrive(Person(Side.AGENT, "zoe"))
        assert await flags(database, conversation_id) == (False, False)
        assert await sweep(database) == []

    async def test_call_of_who_was_not_seen_of_late_is_an_arrival(
        self, database: Database, conversation_id: UUID
    ) -> None:
        await last_seen(database, "eve", timedelta(hours=1))
        await order(database, conversation_id, Transfer(to_agent_id="eve"), by="bob")
        assert await sweep(database) == [conversation_id]
        await last_seen(database, "eve", timedelta(0))
        assert await sweep(database) == [conversation_id]
        assert await sweep(database) == []
        assert await flags(database, conversation_id) == (False, False)
        assert (await events_of(database, conversation_id))[-1] == "arrived"

    async def test_who_was_seen_of_late_keeps_what_is_given_to_them(
        self, database: Database, conversation_id: UUID
    ) -> None:
        """A back office without sockets, however long it is silent afterwards."""
        await last_seen(database, "eve", timedelta(minutes=1))
        await order(database, conversation_id, Transfer(to_agent_id="eve"), by="bob")
        assert await sweep(database) == []
        assert await flags(database, conversation_id) == (False, False)

    async def test_who_accepts_after_a_long_silence_is_there(self, database: Database) -> None:
        await last_seen(database, "eve", timedelta(hours=1))
        await accept(database, await new_conversation(database), "eve")
        assert await sweep(database) == []

    async def test_old_socket_counts_however_long_ago_they_called(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        eve = Person(Side.AGENT, "eve")
        await process.arrive(eve)
        await last_seen(database, "eve", timedelta(hours=1))
        await order(database, conversation_id, Transfer(to_agent_id="eve"), by="bob")
        assert await sweep(database) == []
        await process.depart(eve, ago=timedelta(0))
        assert await sweep(database) == []

    async def test_signing_off_is_told_to_those_whom_they_have(
        self, database: Database, conversation_id: UUID
    ) -> None:
        given_back = await new_conversation(database)
        await accept(database, given_back, "bob")
        await order(database, given_back, Release())
        async with database.begin() as session:
            told = await attendance.sign_off(session, "bob")
        assert [ref.id for ref in told] == [conversation_id]
        event = (await log_of(database, conversation_id))[-1].event
        assert event is not None
        assert (event["type"], event["by"]) == ("signed_off", "bob")

    async def test_conversation_that_was_just_handed_on_is_told_nothing(
        self, database: Database, process: Process, conversation_id: UUID
    ) -> None:
        """The sweep has found it as bob's, and then waits until it is eve's."""
        await process.arrive(BOB)
        await process.depart(BOB)
        async with database.begin() as session:
            await conversations.find(session, conversation_id, lock=True)
            sweeping = asyncio.create_task(sweep(database))
            await until_somebody_waits(database)
            await session.execute(text("UPDATE conversations SET agent_id = 'eve'"))
        assert await sweeping == []
        assert await flags(database, conversation_id) == (False, False)


async def until_somebody_waits(database: Database) -> None:
    """For a lock that somebody else holds."""
    query = text(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
    )
    async with asyncio.timeout(10):
        while True:
            async with database.begin() as session:
                if await session.scalar(query):
                    return
            await asyncio.sleep(0.01)


class TestProcessDies:
    async def test_all_at_it_are_gone_since_it_was_last_seen(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await process.arrive(customer)
        await process.die()
        assert await sweep(database) == [conversation_id]
        event = (await log_of(database, conversation_id))[-1].event
        assert event is not None
        gone_for = datetime.now(UTC) - datetime.fromisoformat(event["since"])
        assert timedelta(seconds=10) <= gone_for < timedelta(seconds=60)

    async def test_with_both_sides_at_it(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await hire(database, "bob")
        await accept(database, conversation_id, "bob")
        await process.arrive(customer, BOB)
        await process.die()
        await sweep(database)
        assert await flags(database, conversation_id) == (False, True)
        told = await events_of(database, conversation_id)
        assert told == ["queued", "assigned", "arrived", "disconnected", "disconnected"]

    async def test_whoever_is_elsewhere_too_stays(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        other = await begin(database)
        await process.arrive(customer)
        await other.arrive(customer)
        await process.die()
        assert await sweep(database) == []

    async def test_it_is_forgotten(self, database: Database, process: Process) -> None:
        await process.die()
        await sweep(database)
        await sweep(database)
        async with database.begin() as session:
            assert await session.scalar(text("SELECT count(*) FROM api_processes")) == 0

    async def test_process_that_lives_again_notes_its_people_again(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await process.arrive(customer)
        await process.die()
        await sweep(database)
        assert not await process.beat()
        await process.arrive(customer)
        assert await flags(database, conversation_id) == (True, False)

    async def test_process_that_ends_takes_its_people_along(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await process.arrive(customer)
        await process.leave()
        assert await sweep(database) == []
        await time_passes(database)
        assert await sweep(database) == [conversation_id]


class TestManyAtOnce:
    async def test_agents_come_first_and_the_others_in_turn(
        self, database: Database, process: Process, customer: Person, conversation_id: UUID
    ) -> None:
        await hire(database, "bob")
        of_bob = await new_conversation(database)
        await accept(database, of_bob, "bob")
        await process.arrive(customer, BOB)
        await process.depart(customer, BOB)
        for expected in (of_bob, conversation_id):
            async with database.begin() as session:
                swept = await attendance.sweep(session, limit=1)
            assert [ref.id for ref in swept.told] == [expected]

    async def test_who_is_gone_longest_comes_first(
        self, database: Database, process: Process
    ) -> None:
        """However many go after them."""
        customers = [Person(Side.CUSTOMER, str(await new_customer(database))) for _ in range(6)]
        ids = [(await start(database, UUID(each.id))).conversation_id for each in customers]
        await process.arrive(*customers)
        for longer, customer in enumerate(customers):
            await process.depart(customer, ago=LONG_AGO + longer * LONG_AGO)
        told: list[UUID] = []
        for _ in customers:
            async with database.begin() as session:
                swept = await attendance.sweep(session, limit=1)
            told += [ref.id for ref in swept.told]
        assert told == ids[::-1]

    async def test_sweep_says_whether_there_may_be_more(
        self, database: Database, process: Process, customer: Person
    ) -> None:
        await process.arrive(customer, BOB)
        await process.depart(customer, BOB)
        more = []
        for limit in (1, 2):
            async with database.begin() as session:
                more.append((await attendance.sweep(session, limit)).more)
        assert more == [True, False]

    async def test_log_agrees_in_the_end(
        self, database: Database, customer: Person, conversation_id: UUID
    ) -> None:
        """Comings, goings, deaths and sweeps of many processes, and shifts that end and begin, all
        at once, in many rounds. None of them waits for another that waits for it."""
        await hire(database, "bob")
        await accept(database, conversation_id, "bob")
        processes = [await begin(database) for _ in range(3)]
        random = Random(3)
        for round_ in range(40):
            steps: list[Callable[[], Awaitable[object]]] = [
                *[lambda: sweep(database)] * 2,
                *(_some_step(process, random, customer) for process in processes),
                lambda: sign_off(database),
                lambda: accept_another(database),
            ]
            random.shuffle(steps)
            await asyncio.gather(*(step() for step in steps))
            await sweep(database)
            await sweep(database)
            present, absent = await flags(database, conversation_id)
            log = await log_of(database, conversation_id)
            assert present == await is_here(database, customer), round_
            assert (_last(log, "CUSTOMER") == "arrived") == present, round_
            assert (_last(log, "AGENT") == "disconnected") == absent, round_
            assert absent == await has_gone(database, "bob"), round_
            assert not (absent and await is_here(database, BOB)), round_

    async def test_signing_off_and_coming_back_do_not_wait_for_each_other(
        self, database: Database, process: Process
    ) -> None:
        await hire(database, "bob")
        for _ in range(3):
            await accept(database, await new_conversation(database), "bob")
        for _ in range(20):
            await process.beat()
            await process.arrive(BOB)
            await process.depart(BOB)
            await asyncio.gather(sweep(database), sign_off(database))
            await asyncio.gather(process.arrive(BOB), sign_off(database), sweep(database))

    async def test_two_sweeps_and_a_revived_process_do_not_wait_for_each_other(
        self, database: Database, process: Process
    ) -> None:
        people = [Person(Side.AGENT, f"agent-{number}") for number in range(30)]
        for _ in range(10):
            await process.beat()
            await process.arrive(*people)
            await process.die()

            async def revive() -> None:
                await process.beat()
                await process.arrive(*people)

            await asyncio.gather(sweep(database), sweep(database), revive())


def _some_step(
    process: Process, random: Random, customer: Person
) -> Callable[[], Awaitable[object]]:
    people = [person for person in (customer, BOB) if random.random() < 0.7] or [customer]

    async def come() -> None:
        await process.beat()
        await process.arrive(*people)

    async def go() -> None:
        await process.beat()
        await process.depart(*people)

    async def die_and_live() -> None:
        await process.die()
        await asyncio.sleep(random.random() * 0.01)
        await come()

    return random.choice([come, come, go, die_and_live, process.die])


def _last(log: list[Entry], side: str) -> str | None:
    """`arrived` or `disconnected`, whichever was told last of this side."""
    told = [entry.event["type"] for entry in log if entry.event and _is_of(entry.event, side)]
    return told[-1] if told else None


def _is_of(event: dict[str, Any], side: str) -> bool:
    return event["type"] in ("arrived", "disconnected") and event["side"] == side
