"""Who may take a conversation, however many reach for it at once."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.allocation import Available, Waiting
from domain.conversation_life import Accept, Close, Release, Transfer
from domain.errors import AgentIsFull, AgentIsOffDuty, UnknownAgent, WrongTeam
from domain.models import Side
from store import agents, allocator, attendance
from store.database import Database
from store.presences import Person
from tests.store.chatting import accept, hire, new_conversation, order


async def take(database: Database, agent_id: str, *tags: str, capacity: int = 3) -> None:
    async with database.begin() as session:
        await allocator.take(session, agent_id, tags, capacity)


async def active(database: Database, agent_id: str) -> int:
    async with database.begin() as session:
        return await allocator.active(session, agent_id)


async def available(database: Database) -> list[Available]:
    async with database.begin() as session:
        return sorted(await allocator.available(session, 3), key=lambda each: each.agent_id)


async def waiting(database: Database, limit: int = 100) -> list[UUID]:
    async with database.begin() as session:
        there = await allocator.available(session, 3)
        return [each.conversation_id for each in await allocator.waiting(session, there, limit)]


async def last_seen(database: Database, agent_id: str, ago: timedelta) -> None:
    async with database.begin() as session:
        await session.execute(
            text("UPDATE agents SET last_seen_at = now() - :ago WHERE id = :id"),
            {"ago": ago, "id": agent_id},
        )


async def open_socket(database: Database, agent_id: str) -> UUID:
    """Returns the api process at which it is."""
    process_id = uuid4()
    async with database.begin() as session:
        await attendance.beat(session, process_id)
        await attendance.note(session, process_id, {Person(Side.AGENT, agent_id): None})
    return process_id


async def refusals(*tries: Awaitable[None]) -> list[type[BaseException]]:
    results = await asyncio.gather(*tries, return_exceptions=True)
    return [type(result) for result in results if isinstance(result, BaseException)]


class TestTake:
    async def test_unknown_agent(self, database: Database) -> None:
        with pytest.raises(UnknownAgent):
            await take(database, "nobody")

    async def test_agent_needs_every_tag(self, database: Database) -> None:
        await hire(database, "bob", tags=("billing",))
        await hire(database, "eve", tags=("german",))
        await take(database, "bob", "billing")
        with pytest.raises(WrongTeam):
            await take(database, "bob", "billing", "german")

    async def test_tag_that_no_agent_carries_keeps_nobody_away(self, database: Database) -> None:
        await hire(database, "bob", tags=("billing",))
        await take(database, "bob", "billing", "made-up")
        await hire(database, "eve", tags=("made-up",))
        with pytest.raises(WrongTeam):
            await take(database, "bob", "billing", "made-up")

    async def test_any_team_may_be_asked_for(self, database: Database) -> None:
        await hire(database, "bob")
        await hire(database, "eve", tags=("billing",))
        conversation_id = await new_conversation(database, "billing")
        with pytest.raises(WrongTeam):
            await accept(database, conversation_id, "bob")
        await order(database, conversation_id, Accept(agent_id="bob", any_team=True), by="bob")
        assert await active(database, "bob") == 1

    async def test_own_capacity_goes_before_the_default(self, database: Database) -> None:
        await hire(database, "bob", capacity=0)
        with pytest.raises(AgentIsFull):
            await take(database, "bob", capacity=3)

    async def test_nobody_off_duty_is_given_one_unasked(self, database: Database) -> None:
        """The allocator has found them on duty, and they signed off before it was written."""
        await hire(database, "bob")
        async with database.begin() as session:
            await agents.set_duty(session, "bob", on_duty=False)
        conversation_id = await new_conversation(database)
        with pytest.raises(AgentIsOffDuty):
            await order(database, conversation_id, Accept(agent_id="bob"))
        await accept(database, conversation_id, "bob")

    async def test_closed_and_released_count_no_more(self, database: Database) -> None:
        await hire(database, "bob", capacity=2)
        first, second = await new_conversation(database), await new_conversation(database)
        await accept(database, first, "bob")
        await accept(database, second, "bob")
        assert await active(database, "bob") == 2
        await order(database, first, Close())
        await order(database, second, Release())
        assert await active(database, "bob") == 0


class TestManyAtOnce:
    async def test_places_are_given_once(self, database: Database) -> None:
        await hire(database, "bob", capacity=3)
        ids = [await new_conversation(database) for _ in range(10)]
        refused = await refusals(*(accept(database, each, "bob") for each in ids))
        assert refused == [AgentIsFull] * 7
        assert await active(database, "bob") == 3

    async def test_swapping_at_full_capacity_never_exceeds_it(self, database: Database) -> None:
        """Two full agents hand each other what they have, and both hear no."""
        await hire(database, "bob", "eve", capacity=1)
        bobs, eves = await new_conversation(database), await new_conversation(database)
        await accept(database, bobs, "bob")
        await accept(database, eves, "eve")
        refused = await refusals(
            order(database, bobs, Transfer(to_agent_id="eve")),
            order(database, eves, Transfer(to_agent_id="bob")),
        )
        assert refused == [AgentIsFull] * 2

    async def test_closing_makes_room_for_exactly_one(self, database: Database) -> None:
        await hire(database, "bob", capacity=2)
        ids = [await new_conversation(database) for _ in range(8)]
        for each in ids[:2]:
            await accept(database, each, "bob")
        refused = await refusals(
            order(database, ids[0], Close()), *(accept(database, each, "bob") for each in ids[2:])
        )
        assert set(refused) == {AgentIsFull}
        assert await active(database, "bob") <= 2
        assert len(refused) >= 5


class TestAvailable:
    async def test_agent_who_called_of_late_is(self, database: Database) -> None:
        await hire(database, "bob", tags=("billing",))
        assert await available(database) == [Available("bob", frozenset({"billing"}), 3, 0)]

    async def test_agent_who_called_long_ago_is_not(self, database: Database) -> None:
        await hire(database, "bob")
        await last_seen(database, "bob", timedelta(minutes=3))
        assert await available(database) == []

    async def test_agent_with_a_socket_is_however_long_ago_they_called(
        self, database: Database
    ) -> None:
        await hire(database, "bob")
        await open_socket(database, "bob")
        await last_seen(database, "bob", timedelta(days=1))
        assert [each.agent_id for each in await available(database)] == ["bob"]

    async def test_agent_whose_socket_is_gone_is_not(self, database: Database) -> None:
        await hire(database, "bob")
        process_id = await open_socket(database, "bob")
        await last_seen(database, "bob", timedelta(days=1))
        async with database.begin() as session:
            await attendance.leave(session, process_id)
        assert await available(database) == []

    async def test_agent_whose_sockets_have_gone_is_not_however_recently_they_called(
        self, database: Database
    ) -> None:
        """What is given to them would wait for somebody who has left."""
        await hire(database, "bob")
        process_id = await open_socket(database, "bob")
        gone_at = datetime.now(UTC) - timedelta(seconds=2)
        async with database.begin() as session:
            bob = Person(Side.AGENT, "bob")
            await attendance.note(session, process_id, {bob: gone_at})
        async with database.begin() as session:
            await attendance.sweep(session)
        assert await available(database) == []
        await open_socket(database, "bob")
        assert [each.agent_id for each in await available(database)] == ["bob"]

    async def test_agent_off_duty_is_not(self, database: Database) -> None:
        await hire(database, "bob")
        await open_socket(database, "bob")
        async with database.begin() as session:
            await agents.set_duty(session, "bob", on_duty=False)
        assert await available(database) == []

    async def test_agent_without_room_is_not(self, database: Database) -> None:
        await hire(database, "bob", capacity=1)
        await accept(database, await new_conversation(database), "bob")
        assert await available(database) == []


class TestWaiting:
    async def test_longest_waiting_first(self, database: Database) -> None:
        await hire(database, "bob")
        ids = [await new_conversation(database) for _ in range(3)]
        assert await waiting(database) == ids

    async def test_one_given_back_is_at_its_old_place(self, database: Database) -> None:
        await hire(database, "bob", "eve")
        ids = [await new_conversation(database) for _ in range(3)]
        await accept(database, ids[0], "bob")
        assert await waiting(database) == ids[1:]
        await order(database, ids[0], Release())
        assert await waiting(database) == ids

    async def test_those_whom_nobody_there_can_serve_hold_nobody_up(
        self, database: Database
    ) -> None:
        """However many they are: only so many of the queue are looked at."""
        await hire(database, "bob", tags=("sales",))
        await hire(database, "eve", tags=("billing",))
        await last_seen(database, "eve", timedelta(days=1))
        for _ in range(3):
            await new_conversation(database, "billing")
        given_back = await new_conversation(database)
        await accept(database, given_back, "bob")
        await order(database, given_back, Release())
        servable = await new_conversation(database, "sales")
        assert await waiting(database, limit=2) == [servable]

    async def test_tags_are_those_that_are_needed(self, database: Database) -> None:
        """So that the matching asks no more of an agent than the accepting does."""
        await hire(database, "bob", tags=("sales",))
        made_up = await new_conversation(database, "made-up")
        both = await new_conversation(database, "made-up", "sales")
        async with database.begin() as session:
            there = await allocator.available(session, 3)
            found = await allocator.waiting(session, there, 10)
        assert found == [Waiting(made_up, frozenset()), Waiting(both, frozenset({"sales"}))]

    async def test_one_given_back_waits_for_somebody_else(self, database: Database) -> None:
        await hire(database, "bob", "eve", tags=("sales",))
        given_back = await new_conversation(database, "sales")
        await accept(database, given_back, "bob")
        await order(database, given_back, Release())
        assert await waiting(database) == [given_back]
        await last_seen(database, "eve", timedelta(days=1))
        assert await waiting(database) == []

    async def test_those_passed_over_are_not_looked_at(self, database: Database) -> None:
        await hire(database, "bob")
        ids = [await new_conversation(database) for _ in range(3)]
        async with database.begin() as session:
            there = await allocator.available(session, 3)
            found = await allocator.waiting(session, there, 1, passing_over=ids[:1])
        assert [each.conversation_id for each in found] == ids[1:2]
