"""The queue as agents see it."""

from domain.conversation_life import Release
from domain.models import AuthorKind, Visibility
from store import chat_queue
from store.chat_queue import QueueEntry
from store.database import Database
from tests.store.chatting import accept, hire, new_conversation, order, say


async def page(database: Database, offset: int = 0, limit: int = 20) -> list[QueueEntry]:
    async with database.begin() as session:
        return await chat_queue.page(session, offset=offset, limit=limit)


async def count(database: Database) -> int:
    async with database.begin() as session:
        return await chat_queue.count(session)


async def test_nobody_waits(database: Database) -> None:
    assert (await page(database), await count(database)) == ([], 0)


async def test_longest_waiting_first_and_counted_from_one(database: Database) -> None:
    ids = [await new_conversation(database) for _ in range(3)]
    entries = await page(database)
    assert [entry.conversation_id for entry in entries] == ids
    assert [entry.position for entry in entries] == [1, 2, 3]


async def test_pages_go_on_where_the_last_ended(database: Database) -> None:
    ids = [await new_conversation(database) for _ in range(5)]
    second = await page(database, offset=2, limit=2)
    assert [(entry.conversation_id, entry.position) for entry in second] == [
        (ids[2], 3),
        (ids[3], 4),
    ]
    assert await count(database) == 5


async def test_accepted_is_out_and_given_back_is_where_it_was(database: Database) -> None:
    await hire(database, "bob")
    first, second = await new_conversation(database), await new_conversation(database)
    await accept(database, first, "bob")
    assert [entry.conversation_id for entry in await page(database)] == [second]
    await order(database, first, Release())
    assert [entry.conversation_id for entry in await page(database)] == [first, second]


async def test_last_message_is_the_last_public_one(database: Database) -> None:
    conversation_id = await new_conversation(database)
    assert (await page(database))[0].last_message is None
    await say(database, conversation_id, content="first")
    await say(database, conversation_id, content="second")
    await say(database, conversation_id, AuthorKind.AGENT, "a note", visibility=Visibility.PRIVATE)
    last = (await page(database))[0].last_message
    assert last is not None
    assert last.content == "second"
