"""How far each side has read."""

import asyncio
from uuid import UUID

import pytest

from domain.models import Side
from store import read_marks
from store.database import Database
from tests.store.chatting import new_conversation, say


@pytest.fixture
async def conversation_id(database: Database) -> UUID:
    """Its log is three entries long."""
    conversation_id = await new_conversation(database)
    await say(database, conversation_id)
    await say(database, conversation_id)
    return conversation_id


async def mark(database: Database, conversation_id: UUID, side: Side, seq: int) -> int:
    async with database.begin() as session:
        return await read_marks.set_mark(session, conversation_id, side, seq)


async def marks(database: Database, conversation_id: UUID) -> dict[Side, int]:
    async with database.begin() as session:
        return await read_marks.marks(session, conversation_id)


async def test_nothing_is_read_at_first(database: Database, conversation_id: UUID) -> None:
    assert await marks(database, conversation_id) == {Side.CUSTOMER: 0, Side.AGENT: 0}


async def test_each_side_has_its_own(database: Database, conversation_id: UUID) -> None:
    assert await mark(database, conversation_id, Side.CUSTOMER, 2) == 2
    assert await marks(database, conversation_id) == {Side.CUSTOMER: 2, Side.AGENT: 0}


async def test_never_goes_back(database: Database, conversation_id: UUID) -> None:
    await mark(database, conversation_id, Side.AGENT, 3)
    assert await mark(database, conversation_id, Side.AGENT, 1) == 3


async def test_never_goes_beyond_the_log(database: Database, conversation_id: UUID) -> None:
    assert await mark(database, conversation_id, Side.AGENT, 2**31 - 1) == 3


async def test_many_at_once_end_with_the_furthest(
    database: Database, conversation_id: UUID
) -> None:
    seqs = [1, 3, 2, 1, 2] * 4
    await asyncio.gather(*(mark(database, conversation_id, Side.CUSTOMER, seq) for seq in seqs))
    assert (await marks(database, conversation_id))[Side.CUSTOMER] == 3
