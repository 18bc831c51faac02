"""Starting conversations, writing into them, and writing down what was decided."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.conversation_life import Close, Transfer
from domain.errors import (
    ConversationIsClosed,
    ConversationNotFound,
    IdempotencyKeyReused,
    NotAssigned,
)
from domain.ids import new_id
from domain.models import AuthorKind, ConversationStatus, Visibility
from store import conversations
from store.conversations import ConversationRow
from store.database import Database
from store.threads import Appended, Draft
from tests.store.chatting import (
    accept,
    events_of,
    hire,
    log_of,
    new_conversation,
    new_customer,
    order,
    say,
    start,
)


async def write_as(
    database: Database, conversation_id: UUID, draft: Draft, *, only: str
) -> Appended:
    async with database.begin() as session:
        row = await conversations.find(session, conversation_id, lock=True)
        return await conversations.write(session, row, draft, only=only)


async def find(database: Database, conversation_id: UUID) -> ConversationRow:
    async with database.begin() as session:
        return await conversations.find(session, conversation_id)


class TestStart:
    async def test_waits_in_the_queue(self, database: Database) -> None:
        started = await start(database, await new_customer(database))
        assert started.nudge
        async with database.begin() as session:
            state, _ = await conversations.load(session, started.conversation_id)
        assert (state.status, state.version) == (ConversationStatus.QUEUED, 0)
        assert state.queue_timeout_at == state.queued_at + timedelta(minutes=5)
        assert await events_of(database, started.conversation_id) == ["queued"]

    async def test_resumes_the_open_one(self, database: Database) -> None:
        customer_id = await new_customer(database)
        first = await start(database, customer_id)
        second = await start(database, customer_id)
        assert second.conversation_id == first.conversation_id
        assert not second.nudge

    async def test_begins_anew_after_the_end(self, database: Database) -> None:
        customer_id = await new_customer(database)
        first = (await start(database, customer_id)).conversation_id
        await order(database, first, Close())
        second = (await start(database, customer_id)).conversation_id
        assert second != first
        async with database.begin() as session:
            assert await conversations.open_of(session, customer_id) == second
            assert await conversations.newest_of(session, customer_id) == second

    async def test_twenty_at_once_get_one(self, database: Database) -> None:
        customer_id = await new_customer(database)
        started = await asyncio.gather(*(start(database, customer_id) for _ in range(20)))
        assert len({each.conversation_id for each in started}) == 1
        assert [each.nudge for each in started].count(True) == 1


class TestWrite:
    async def test_same_external_id_is_written_once(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        first = await say(database, conversation_id, external_id="a")
        second = await say(database, conversation_id, external_id="a")
        assert (second.id, second.created, second.nudge) == (first.id, False, False)
        assert len(await log_of(database, conversation_id)) == 2

    async def test_same_external_id_with_other_words_is_refused(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        await say(database, conversation_id, content="one", external_id="a")
        with pytest.raises(IdempotencyKeyReused):
            await say(database, conversation_id, content="two", external_id="a")

    async def test_words_of_one_who_has_lost_it_since_are_found(self, database: Database) -> None:
        """Written, not answered, transferred, sent again."""
        await hire(database, "bob")
        await hire(database, "eve")
        conversation_id = await new_conversation(database)
        await accept(database, conversation_id, "bob")
        draft = Draft(AuthorKind.AGENT, "Hi", author_id="bob", source="test", external_id="a")
        first = await write_as(database, conversation_id, draft, only="bob")
        await order(database, conversation_id, Transfer(to_agent_id="eve"), by="bob")
        assert (await write_as(database, conversation_id, draft, only="bob")).id == first.id
        with pytest.raises(NotAssigned):
            await write_as(database, conversation_id, replace(draft, external_id="b"), only="bob")

    async def test_closed_is_over(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        await say(database, conversation_id, external_id="a")
        await order(database, conversation_id, Close())
        with pytest.raises(ConversationIsClosed):
            await say(database, conversation_id)

    async def test_what_was_sent_before_the_end_may_be_sent_again(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        first = await say(database, conversation_id, external_id="a")
        await order(database, conversation_id, Close())
        assert (await say(database, conversation_id, external_id="a")).id == first.id

    async def test_many_at_once_leave_no_gap(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        await asyncio.gather(*(say(database, conversation_id) for _ in range(20)))
        seqs = [entry.seq for entry in await log_of(database, conversation_id)]
        assert seqs == list(range(1, 22))


class TestFind:
    async def test_unknown(self, database: Database) -> None:
        with pytest.raises(ConversationNotFound):
            await find(database, new_id())

    async def test_locked_is_as_it_is_now_however_it_was_known_before(
        self, database: Database
    ) -> None:
        conversation_id = await new_conversation(database)
        async with database.begin() as session:
            known = await conversations.find(session, conversation_id)
            await say(database, conversation_id)
            locked = await conversations.find(session, conversation_id, lock=True)
            assert locked.locked.last_seq == 2
        assert known.thread.id == conversation_id


class TestLoad:
    async def test_state_is_what_was_written(self, database: Database) -> None:
        await hire(database, "bob")
        conversation_id = await new_conversation(database)
        await accept(database, conversation_id, "bob")
        async with database.begin() as session:
            state, _ = await conversations.load(session, conversation_id)
        assert (state.status, state.agent_id) == (ConversationStatus.ASSIGNED, "bob")
        assert (state.version, state.last_word_by) == (1, None)

    async def test_last_word_is_the_last_that_both_could_read(self, database: Database) -> None:
        """A note puts no end for silence off, in whichever way the state came to be known."""
        conversation_id = await new_conversation(database)
        word = await say(database, conversation_id, AuthorKind.CUSTOMER)
        await say(database, conversation_id, AuthorKind.AGENT, visibility=Visibility.PRIVATE)
        async with database.begin() as session:
            state, _ = await conversations.load(session, conversation_id)
        assert (state.last_word_by, state.last_word_at) == (AuthorKind.CUSTOMER, word.created_at)

    async def test_without_a_word_it_is_the_beginning(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        async with database.begin() as session:
            state, _ = await conversations.load(session, conversation_id)
        assert state.last_word_at == state.queued_at


class TestRecord:
    async def test_reason_is_kept_and_told(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        await order(database, conversation_id, Close(), by="bob", text="solved on the phone")
        row = (await find(database, conversation_id)).conversation
        assert row.close_reason == "solved on the phone"
        event = (await log_of(database, conversation_id))[-1].event
        assert event is not None
        assert (event["type"], event["reason"], event["by"]) == (
            "closed",
            "solved on the phone",
            "bob",
        )
        assert row.closed_at is not None

    async def test_note_of_a_transfer_is_private(self, database: Database) -> None:
        await hire(database, "bob", "eve")
        conversation_id = await new_conversation(database)
        await accept(database, conversation_id, "bob")
        transfer = Transfer(to_agent_id="eve", agent_id="bob")
        await order(database, conversation_id, transfer, by="bob", text="wants a refund")
        event, note = (await log_of(database, conversation_id))[-2:]
        assert event.event is not None
        assert (event.event["type"], event.event["agentName"]) == ("transferred", "Eve")
        assert "reason" not in event.event
        assert (note.content, note.visibility, note.author_id) == (
            "wants a refund",
            Visibility.PRIVATE,
            "bob",
        )

    async def test_agent_without_a_name_is_told_by_the_id(self, database: Database) -> None:
        await hire(database, "bob")
        async with database.begin() as session:
            await session.execute(text("UPDATE agents SET name = ''"))
        conversation_id = await new_conversation(database)
        await accept(database, conversation_id, "bob")
        event = (await log_of(database, conversation_id))[-1].event
        assert event is not None
        assert event["agentName"] == "bob"

    async def test_what_was_said_along_is_used_once(self, database: Database) -> None:
        conversation_id = await new_conversation(database)
        await order(database, conversation_id, Close(), text="done")
        async with database.begin() as session:
            assert await session.scalar(text("SELECT count(*) FROM command_texts")) == 0

    async def test_agents_list_has_the_newest_first(self, database: Database) -> None:
        await hire(database, "bob")
        ids = [await new_conversation(database) for _ in range(3)]
        for each in ids:
            await accept(database, each, "bob")
        await order(database, ids[0], Close())
        active = {ConversationStatus.ASSIGNED, ConversationStatus.CONNECTED}
        async with database.begin() as session:
            found = await conversations.of_agent(session, "bob", active)
            assert await conversations.count_of_agent(session, "bob", active) == 2
        assert [row.conversation.id for row in found] == [ids[2], ids[1]]
