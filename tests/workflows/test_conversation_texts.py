"""What people say along with a command is told where it belongs, and in no history."""

import json
from base64 import b64decode
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client

from domain.conversation_life import ChangeConversation, Close, ConversationCommand, Transfer
from domain.errors import NotAssigned
from domain.models import AuthorKind, Visibility
from domain.names import conversation_workflow_id
from store import command_texts, conversations
from tests.workflows.chat_desk import ChatDesk


async def order_and_say(
    chat: ChatDesk, conversation_id: UUID, command: ConversationCommand, said: str
) -> None:
    cause = uuid4().hex
    async with chat.database.begin() as session:
        await command_texts.keep(session, cause, said)
    change = ChangeConversation(by="bob", command=command)
    await chat.engine.change_conversation(conversation_id, change, cause)


@pytest.fixture
async def taken(chat: ChatDesk) -> UUID:
    await chat.hire("bob", "eve")
    conversation_id = await chat.start()
    await chat.say(conversation_id, AuthorKind.CUSTOMER, "SECRET of the customer")
    await chat.accept(conversation_id, "bob")
    return conversation_id


async def test_reason_of_a_close(chat: ChatDesk, taken: UUID) -> None:
    await order_and_say(chat, taken, Close(agent_id="bob"), "solved on the phone")
    async with chat.database.begin() as session:
        row = (await conversations.find(session, taken)).conversation
    assert row.close_reason == "solved on the phone"
    event = (await chat.log(taken))[-1].event
    assert event is not None
    assert (event["type"], event["reason"]) == ("closed", "solved on the phone")


async def test_note_of_a_transfer(chat: ChatDesk, taken: UUID) -> None:
    transfer = Transfer(to_agent_id="eve", agent_id="bob")
    await order_and_say(chat, taken, transfer, "wants a refund")
    await chat.until_handled(taken)
    note = (await chat.log(taken))[-1]
    assert (note.content, note.visibility, note.author, note.author_id) == (
        "wants a refund",
        Visibility.PRIVATE,
        AuthorKind.AGENT,
        "bob",
    )


async def test_what_goes_with_a_refused_command_is_told_nobody(chat: ChatDesk, taken: UUID) -> None:
    with pytest.raises(NotAssigned):
        await order_and_say(chat, taken, Close(agent_id="eve"), "SECRET reason")
    await chat.order(taken, Close(agent_id="bob"))
    async with chat.database.begin() as session:
        row = (await conversations.find(session, taken)).conversation
    assert row.close_reason is None
    assert all("SECRET reason" not in entry.content for entry in await chat.log(taken))


async def test_no_history_has_a_word_of_it(chat: ChatDesk, taken: UUID, client: Client) -> None:
    transfer = Transfer(to_agent_id="eve", agent_id="bob")
    await order_and_say(chat, taken, transfer, "SECRET note")
    await chat.say(taken, AuthorKind.AGENT, "SECRET of the agent")
    await chat.until_handled(taken)
    await order_and_say(chat, taken, Close(agent_id="eve"), "SECRET reason")
    handle = client.get_workflow_handle(conversation_workflow_id(taken))
    await handle.result()
    history = (await handle.fetch_history()).to_json()
    assert "SECRET" not in history
    payloads = _decoded(history)
    assert "agent_id" in payloads
    assert "SECRET" not in payloads


def _decoded(history: str) -> str:
    """All payloads of a history in plain."""
    found: list[str] = []

    def walk(part: object) -> None:
        if isinstance(part, dict):
            if isinstance(data := part.get("data"), str):
                found.append(b64decode(data).decode(errors="replace"))
            for each in part.values():
                walk(each)
        elif isinstance(part, list):
            for each in part:
                walk(each)

    walk(json.loads(history))
    return "\n".join(found)
