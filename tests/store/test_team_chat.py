"""Direct messages between colleagues: stored once, in order, and counted until they are read."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from psycopg import AsyncConnection
from sqlalchemy import select, text

from domain.errors import IdempotencyKeyReused, UserNotFound
from domain.names import TEAM_CHANNEL
from store import agents, team_chat
from store.database import Database
from store.team_chat import DirectMessage, Draft
from store.team_tables import ChatMessage, FrequentContact


@pytest.fixture(autouse=True)
async def team(database: Database) -> None:
    async with database.begin() as session:
        await agents.add(session, "42", "Ashik", "ashik@example.com", "Support")
        await agents.add(session, "bea", "Bea")
        await agents.add(session, "cy", "")


async def send(
    database: Database,
    message: str = "hello",
    sender: str = "42",
    receiver: str = "bea",
    client_id: str | None = None,
) -> DirectMessage:
    async with database.begin() as session:
        return await team_chat.send(
            session, Draft(sender, receiver, message, client_id=client_id, sid="s")
        )


async def history(database: Database, user: str, other: str, **window: Any) -> list[str]:  # noqa: ANN401
    async with database.begin() as session:
        found = await team_chat.history(session, user, other, **{"limit": 50} | window)
    return [each.message for each in found]


async def contacts(database: Database, user: str) -> list[str]:
    async with database.begin() as session:
        found = await team_chat.frequent_contacts(session, user, 10)
    return [each.colleague.id for each in found]


async def unread(database: Database, user: str) -> dict[str, int]:
    async with database.begin() as session:
        return {each.sender_id: each.count for each in await team_chat.unread(session, user)}


async def mark_read(
    database: Database, user: str, other: str, up_to: int | None = None
) -> int | None:
    async with database.begin() as session:
        return await team_chat.mark_read(session, user, other, up_to)


class Ear:
    """Hears what is announced to colleagues."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._news: list[list[object]] = []
        connection.add_notify_handler(lambda told: self._news.append(json.loads(told.payload)))

    async def news(self) -> list[list[object]]:
        """All that was committed by now."""
        await self._connection.execute("SELECT 1")
        return self._news


@pytest.fixture
async def ear(database: Database) -> AsyncIterator[Ear]:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await connection.execute(f'LISTEN "{TEAM_CHANNEL}"')
        yield Ear(connection)


class TestSend:
    async def test_message_is_as_it_was_written(self, database: Database) -> None:
        sent = await send(database, "  hello\n")
        assert (sent.sender_id, sent.sender_name, sent.receiver_id) == ("42", "Ashik", "bea")
        assert (sent.message, sent.message_type, sent.read_at) == ("  hello\n", "text", None)
        assert sent.sender_sid == "s"

    async def test_rows_are_as_the_tables_say(self, database: Database) -> None:
        sent = await send(database, client_id="1")
        async with database.begin() as session:
            row = (await session.scalars(select(ChatMessage))).one()
            assert (row.id, row.client_id, row.created_at) == (sent.id, "1", sent.created_at)
            contacts = (await session.scalars(select(FrequentContact))).all()
            assert {(each.user_id, each.contact_id) for each in contacts} == {
                ("42", "bea"),
                ("bea", "42"),
            }

    async def test_who_has_no_name_is_called_by_the_id(self, database: Database) -> None:
        assert (await send(database, sender="cy")).sender_name == "cy"

    async def test_unknown_receiver(self, database: Database) -> None:
        with pytest.raises(UserNotFound):
            await send(database, receiver="nobody")

    async def test_same_client_id_is_one_message(self, database: Database) -> None:
        first = await send(database, client_id="1")
        assert await send(database, client_id="1") == first
        assert await history(database, "42", "bea") == ["hello"]
        # It is the sender's own: colleagues count from 1 as well.
        assert (await send(database, sender="cy", client_id="1")).id != first.id

    async def test_same_client_id_for_other_words_is_refused(self, database: Database) -> None:
        await send(database, client_id="1")
        with pytest.raises(IdempotencyKeyReused):
            await send(database, "other", client_id="1")
        with pytest.raises(IdempotencyKeyReused):
            await send(database, receiver="cy", client_id="1")

    async def test_same_client_id_at_the_same_instant(self, database: Database) -> None:
        sent = await asyncio.gather(*(send(database, client_id="1") for _ in range(8)))
        assert len({each.id for each in sent}) == 1

    async def test_both_have_each_other_as_contacts(self, database: Database) -> None:
        await send(database)
        await send(database, receiver="cy")
        assert await contacts(database, "42") == ["cy", "bea"]
        assert await contacts(database, "bea") == await contacts(database, "cy") == ["42"]
        await send(database, sender="bea", receiver="42")
        assert await contacts(database, "42") == ["bea", "cy"]

    async def test_note_to_oneself_is_read_and_no_contact(self, database: Database) -> None:
        await send(database, receiver="42")
        assert await history(database, "42", "42") == ["hello"]
        assert await unread(database, "42") == {}
        assert await contacts(database, "42") == []

    async def test_what_is_rolled_back_was_never_told(self, database: Database, ear: Ear) -> None:
        with suppress(ZeroDivisionError):
            async with database.begin() as session:
                await team_chat.send(session, Draft("42", "bea", "hello"))
                raise ZeroDivisionError
        assert await ear.news() == []
        await send(database)
        assert await ear.news() == [["inbox", "42"], ["inbox", "bea"]]

    async def test_writing_to_each_other_at_once_never_deadlocks(self, database: Database) -> None:
        pairs = [("42", "bea"), ("bea", "42"), ("bea", "cy"), ("cy", "42")] * 10
        await asyncio.gather(*(send(database, sender=a, receiver=b) for a, b in pairs))
        assert len(await history(database, "42", "bea")) == 20


class TestInbox:
    async def test_holds_what_was_sent_and_what_came(self, database: Database) -> None:
        await send(database, "1")
        await send(database, "2", sender="bea", receiver="42")
        await send(database, "not mine", sender="bea", receiver="cy")
        last = await send(database, "3", receiver="42")
        async with database.begin() as session:
            found = await team_chat.inbox(session, "42", 0, 10)
            assert [each.message for each in found] == ["1", "2", "3"]
            rest = await team_chat.inbox(session, "42", found[0].id, 1)
            assert [each.message for each in rest] == ["2"]
            assert await team_chat.heads(session, ["42", "nobody"]) == {"42": last.id, "nobody": 0}

    async def test_ids_ascend_as_they_are_committed(self, database: Database) -> None:
        """Whoever reads what follows the newest id again and again, while many write at once and
        take their time to commit, gets everything in its order."""
        users = ["42", "bea", "cy"]
        over = asyncio.Event()

        async def write(number: int) -> None:
            sender, receiver = users[number % 3], users[(number + 1 + number % 2) % 3]
            async with database.begin() as session:
                await team_chat.send(session, Draft(sender, receiver, str(number)))
                await session.execute(text("SELECT pg_sleep(random() * 0.02)"))

        async def read(user: str) -> list[int]:
            seen: list[int] = []
            while True:
                last_time = over.is_set()
                async with database.reading() as session:
                    page = await team_chat.inbox(session, user, seen[-1] if seen else 0, 7)
                seen += [each.id for each in page]
                if last_time and not page:
                    return seen

        readers = [asyncio.create_task(read(user)) for user in users]
        await asyncio.gather(*(write(number) for number in range(60)))
        over.set()
        for user, reader in zip(users, readers, strict=True):
            async with database.begin() as session:
                everything = await team_chat.inbox(session, user, 0, 1_000)
            assert await reader == [each.id for each in everything]


class TestHistory:
    async def test_windows(self, database: Database) -> None:
        ids = [(await send(database, str(number))).id for number in range(5)]
        await send(database, "elsewhere", receiver="cy")
        assert await history(database, "42", "bea") == ["0", "1", "2", "3", "4"]
        assert await history(database, "bea", "42") == ["0", "1", "2", "3", "4"]
        assert await history(database, "42", "bea", limit=2) == ["3", "4"]
        assert await history(database, "42", "bea", limit=2, before_id=ids[3]) == ["1", "2"]
        assert await history(database, "42", "bea", limit=2, after_id=ids[0]) == ["1", "2"]
        assert await history(database, "42", "bea", after_id=ids[0], before_id=ids[2]) == ["1"]
        assert await history(database, "42", "bea", after_id=ids[4]) == []

    async def test_unknown_user(self, database: Database) -> None:
        with pytest.raises(UserNotFound):
            await history(database, "42", "nobody")


class TestRead:
    async def test_counts_until_it_is_read(self, database: Database) -> None:
        first = await send(database)
        last = await send(database)
        await send(database, sender="cy")
        assert await unread(database, "bea") == {"cy": 1, "42": 2}
        assert await mark_read(database, "bea", "42", first.id) == first.id
        assert await unread(database, "bea") == {"cy": 1, "42": 1}
        assert await mark_read(database, "bea", "42") == last.id
        assert await mark_read(database, "bea", "42") is None
        assert await unread(database, "bea") == {"cy": 1}

    async def test_the_sender_cannot_read_for_the_receiver(self, database: Database) -> None:
        await send(database)
        assert await mark_read(database, "42", "bea") is None
        assert await unread(database, "bea") == {"42": 1}

    async def test_the_other_one_is_told_once(self, database: Database, ear: Ear) -> None:
        sent = await send(database)
        await mark_read(database, "bea", "42")
        await mark_read(database, "bea", "42")
        assert (await ear.news())[2:] == [["read", "42", "bea", sent.id]]

    async def test_marking_twice_at_once_never_deadlocks(self, database: Database) -> None:
        for _ in range(20):
            await send(database)
        await asyncio.gather(*(mark_read(database, "bea", "42") for _ in range(6)))
        assert await unread(database, "bea") == {}

    async def test_unknown_user(self, database: Database) -> None:
        with pytest.raises(UserNotFound):
            await mark_read(database, "42", "nobody")


class TestContacts:
    async def test_by_hand(self, database: Database) -> None:
        async with database.begin() as session:
            contact = await team_chat.add_contact(session, "42", "cy")
            assert contact.colleague.name == "cy"
        assert await contacts(database, "42") == ["cy"]
        assert await contacts(database, "cy") == []
        async with database.begin() as session:
            assert await team_chat.remove_contact(session, "42", "cy")
            assert not await team_chat.remove_contact(session, "42", "cy")
        assert await contacts(database, "42") == []

    async def test_added_again_comes_first(self, database: Database) -> None:
        for contact_id in ("bea", "cy", "bea"):
            async with database.begin() as session:
                await team_chat.add_contact(session, "42", contact_id)
        assert await contacts(database, "42") == ["bea", "cy"]

    async def test_unknown_user(self, database: Database) -> None:
        async with database.begin() as session:
            with pytest.raises(UserNotFound):
                await team_chat.add_contact(session, "42", "nobody")
