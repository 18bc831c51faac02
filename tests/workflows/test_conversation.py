"""The conversation workflow on a real Temporal server."""

import asyncio
from collections.abc import Callable

import pytest
from temporalio.client import Client

from domain.conversation_life import Close, ConversationState, Release, ToTicket, Transfer
from domain.errors import (
    AgentIsFull,
    ConversationIsClosed,
    ConversationTaken,
    NotAssigned,
    WrongTeam,
)
from domain.models import AuthorKind, ConversationStatus, TicketStatus
from domain.names import AGENT_ATTRIBUTE, STATUS_ATTRIBUTE, conversation_workflow_id
from store import conversations, tickets
from tests.workflows.chat_desk import ChatDesk, chat_ref


def is_(status: ConversationStatus) -> Callable[[ConversationState], bool]:
    return lambda state: state.status is status


class TestAccepting:
    async def test_first_accept_wins(self, chat: ChatDesk) -> None:
        await chat.hire("bob", "eve")
        conversation_id = await chat.start()
        await chat.accept(conversation_id, "bob")
        with pytest.raises(ConversationTaken):
            await chat.accept(conversation_id, "eve")
        assert (await chat.state(conversation_id)).agent_id == "bob"

    async def test_accepting_ones_own_again_changes_nothing(self, chat: ChatDesk) -> None:
        await chat.hire("bob")
        conversation_id = await chat.start()
        await chat.accept(conversation_id, "bob")
        await chat.accept(conversation_id, "bob")
        assert await chat.events(conversation_id) == ["queued", "assigned"]

    async def test_both_have_spoken_is_connected(self, chat: ChatDesk) -> None:
        await chat.hire("bob")
        conversation_id = await chat.start()
        await chat.accept(conversation_id, "bob")
        await chat.say(conversation_id, AuthorKind.CUSTOMER)
        await chat.say(conversation_id, AuthorKind.AGENT)
        await chat.until(conversation_id, is_(ConversationStatus.CONNECTED))

    async def test_full_agent_is_refused_until_one_closes(self, chat: ChatDesk) -> None:
        await chat.hire("bob", capacity=1)
        first, second = await chat.start(), await chat.start()
        await chat.accept(first, "bob")
        with pytest.raises(AgentIsFull):
            await chat.accept(second, "bob")
        await chat.order(first, Close(agent_id="bob"), "bob")
        await chat.accept(second, "bob")

    async def test_agent_of_another_team_is_refused(self, chat: ChatDesk) -> None:
        await chat.hire("bob", tags=("sales",))
        await chat.hire("eve", tags=("billing",))
        conversation_id = await chat.start(tags=("billing",))
        with pytest.raises(WrongTeam):
            await chat.accept(conversation_id, "bob")

    async def test_last_place_is_given_once(self, chat: ChatDesk) -> None:
        await chat.hire("bob", capacity=2)
        ids = [await chat.start() for _ in range(6)]
        results = await asyncio.gather(
            *(chat.accept(each, "bob") for each in ids), return_exceptions=True
        )
        assert [type(result) for result in results].count(AgentIsFull) == 4
        states = [await chat.state(each) for each in ids]
        assert [state.agent_id for state in states].count("bob") == 2


class TestMovingOn:
    async def test_released_is_queued_with_its_age(self, chat: ChatDesk) -> None:
        await chat.hire("bob")
        conversation_id = await chat.start()
        queued_at = (await chat.state(conversation_id)).queued_at
        await chat.accept(conversation_id, "bob")
        await chat.order(conversation_id, Release(agent_id="bob"))
        state = await chat.state(conversation_id)
        assert (state.status, state.queued_at) == (ConversationStatus.QUEUED, queued_at)

    async def test_only_the_assigned_agent_closes(self, chat: ChatDesk) -> None:
        await chat.hire("bob", "eve")
        conversation_id = await chat.start()
        await chat.accept(conversation_id, "bob")
        with pytest.raises(NotAssigned):
            await chat.order(conversation_id, Close(agent_id="eve"))

    async def test_transfer_needs_room_and_not_the_tags(self, chat: ChatDesk) -> None:
        await chat.hire("bob", tags=("billing",))
        await chat.hire("eve", capacity=1)
        first, second = await chat.start(tags=("billing",)), await chat.start()
        await chat.accept(first, "bob")
        await chat.accept(second, "bob")
        await chat.order(first, Transfer(to_agent_id="eve", agent_id="bob"))
        assert (await chat.state(first)).agent_id == "eve"
        with pytest.raises(AgentIsFull):
            await chat.order(second, Transfer(to_agent_id="eve", agent_id="bob"))

    async def test_ticket_has_the_whole_log_and_both_name_each_other(self, chat: ChatDesk) -> None:
        await chat.hire("bob")
        conversation_id = await chat.start()
        await chat.say(conversation_id, AuthorKind.CUSTOMER, "My invoice is wrong. Again!")
        await chat.accept(conversation_id, "bob")
        await chat.say(conversation_id, AuthorKind.AGENT, "Let me see.")
        await chat.order(conversation_id, ToTicket(agent_id="bob"))
        async with chat.database.begin() as session:
            row = await conversations.find(session, conversation_id)
            assert row.conversation.ticket_id is not None
            ticket = (await tickets.find(session, row.conversation.ticket_id)).ticket
        carried = await chat.log(ticket.id)
        told = [(entry.seq, entry.content) for entry in await chat.log(conversation_id)]
        assert [(entry.seq, entry.content) for entry in carried[:-1]] == told
        assert ticket.conversation_id == conversation_id
        assert (ticket.subject, ticket.status) == ("My invoice is wrong.", TicketStatus.OPEN)

    async def test_closed_is_final(self, chat: ChatDesk, client: Client) -> None:
        await chat.hire("bob")
        conversation_id = await chat.start()
        await chat.order(conversation_id, Close())
        with pytest.raises(ConversationIsClosed):
            await chat.say(conversation_id, AuthorKind.CUSTOMER)
        with pytest.raises(ConversationIsClosed):
            await chat.accept(conversation_id, "bob")
        handle = client.get_workflow_handle(conversation_workflow_id(conversation_id))
        await handle.result()


class TestShown:
    async def test_process_says_what_it_waits_for(self, chat: ChatDesk) -> None:
        conversation_id = await chat.start()
        await chat.until_handled(conversation_id)
        view = await chat.engine.process(chat_ref(conversation_id))
        assert view.waiting_for == "waiting for an agent"
        assert [alarm.what for alarm in view.alarms] == [
            "queue times out",
            "customer counts as gone",
        ]

    async def test_search_attributes_follow(self, chat: ChatDesk, client: Client) -> None:
        await chat.hire("bob")
        conversation_id = await chat.start()
        await chat.accept(conversation_id, "bob")
        handle = client.get_workflow_handle(conversation_workflow_id(conversation_id))
        shown = (await handle.describe()).search_attributes
        assert (shown[STATUS_ATTRIBUTE], shown[AGENT_ATTRIBUTE]) == (["ASSIGNED"], ["bob"])
