"""From a live conversation to a ticket."""

from uuid import UUID

import pytest

from domain.conversation_life import ToTicket
from domain.deadlines import DeadlineKind
from domain.models import AuthorKind, Priority, TicketStatus, Visibility
from store import conversations, threads, tickets
from store.database import Database
from store.tables import Ticket
from tests.store.chatting import (
    accept,
    hire,
    log_of,
    new_conversation,
    order,
    say,
)


async def hand_over(database: Database, conversation_id: UUID) -> Ticket:
    await order(database, conversation_id, ToTicket())
    async with database.begin() as session:
        row = await conversations.find(session, conversation_id)
        assert row.conversation.ticket_id is not None
        return (await tickets.find(session, row.conversation.ticket_id)).ticket


@pytest.fixture
async def conversation_id(database: Database) -> UUID:
    await hire(database, "bob", tags=("billing",))
    return await new_conversation(database, "billing")


class TestTicket:
    async def test_both_name_each_other(self, database: Database, conversation_id: UUID) -> None:
        ticket = await hand_over(database, conversation_id)
        assert ticket.conversation_id == conversation_id
        assert (ticket.tags, ticket.priority) == (["billing"], Priority.MEDIUM)

    async def test_has_the_whole_log_in_its_places(
        self, database: Database, conversation_id: UUID
    ) -> None:
        await say(database, conversation_id, content="My invoice")
        await say(
            database,
            conversation_id,
            AuthorKind.AGENT,
            "a note",
            visibility=Visibility.PRIVATE,
        )
        ticket = await hand_over(database, conversation_id)
        told = await log_of(database, conversation_id)
        *carried, last = await log_of(database, ticket.id)
        for here, there in zip(told, carried, strict=True):
            assert (here.seq, here.content, here.author, here.visibility, here.created_at) == (
                there.seq,
                there.content,
                there.author,
                there.visibility,
                there.created_at,
            )
            assert here.id != there.id
        assert last.event is not None
        assert (last.seq, last.event["type"]) == (len(told) + 1, "from_conversation")

    async def test_waits_for_its_workflow(self, database: Database, conversation_id: UUID) -> None:
        """Only the last entry is to be looked at: the rest moves no status any more."""
        await say(database, conversation_id)
        ticket = await hand_over(database, conversation_id)
        async with database.begin() as session:
            thread = await threads.lock(session, ticket.id)
        assert (thread.open, thread.last_seq - thread.handled_seq) == (True, 1)

    async def test_log_of_the_conversation_ends(
        self, database: Database, conversation_id: UUID
    ) -> None:
        await hand_over(database, conversation_id)
        async with database.begin() as session:
            assert not (await threads.lock(session, conversation_id)).open

    async def test_once_however_often_it_is_asked_for(
        self, database: Database, conversation_id: UUID
    ) -> None:
        first = await hand_over(database, conversation_id)
        assert (await hand_over(database, conversation_id)).id == first.id


class TestAnswered:
    async def test_unanswered_is_new_and_its_first_response_is_due(
        self, database: Database, conversation_id: UUID
    ) -> None:
        await say(database, conversation_id, content="Help!\nPlease.")
        ticket = await hand_over(database, conversation_id)
        assert (ticket.status, ticket.subject) == (TicketStatus.NEW, "Help!")
        assert ticket.deadlines[DeadlineKind.FIRST_RESPONSE].get("met_at") is None

    async def test_note_is_no_answer(self, database: Database, conversation_id: UUID) -> None:
        await say(database, conversation_id, AuthorKind.AGENT, visibility=Visibility.PRIVATE)
        assert (await hand_over(database, conversation_id)).status == TicketStatus.NEW

    async def test_answered_is_open_and_had_its_first_response(
        self, database: Database, conversation_id: UUID
    ) -> None:
        await say(database, conversation_id)
        await accept(database, conversation_id, "bob")
        await say(database, conversation_id, AuthorKind.AGENT)
        ticket = await hand_over(database, conversation_id)
        assert ticket.status == TicketStatus.OPEN
        assert ticket.deadlines[DeadlineKind.FIRST_RESPONSE]["met_at"]

    async def test_nobody_has_said_a_word(self, database: Database, conversation_id: UUID) -> None:
        assert (await hand_over(database, conversation_id)).subject == "Live chat with Ada"

    async def test_workflow_can_begin_from_it(
        self, database: Database, conversation_id: UUID
    ) -> None:
        ticket = await hand_over(database, conversation_id)
        async with database.begin() as session:
            state, _ = await tickets.load(session, ticket.id)
        assert (state.status, state.version) == (TicketStatus.NEW, 0)
