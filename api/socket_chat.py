"""Speaking in live conversations over a socket: the same actions as over HTTP."""

from collections.abc import Sequence

from api import chat_actions
from api.chat_actions import Words
from api.chat_views import message_view
from api.services import Services
from api.socket_commands import Answer, Caller, Command, acting_in_chat, audience_of
from api.socket_requests import ChatSend, ConversationClose, parse
from domain.ids import parse_conversation_id


class ChatCommands:
    def __init__(self, services: Services) -> None:
        self._services = services

    def table(self) -> dict[str, Command]:
        """By the event that asks for it."""
        return {"chat:send": self.send}

    def judged(self) -> dict[str, Command]:
        """The same for those that wait for a workflow's judgement, as long as the engine's patience
        lasts."""
        return {"conversation:close": self.close}

    async def send(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers the message. The same `clientId` again: the first message, and nothing is
        written; it is one with the `Idempotency-Key` of the same caller over HTTP."""
        request = parse(ChatSend, arguments)
        principal = caller.principal
        audience_of(principal)
        await self._services.count_message(principal)
        conversation_id = parse_conversation_id(request.conversation_id)
        words = Words(
            content=request.content,
            metadata=request.metadata,
            visibility=request.visibility,
            external_id=request.client_id,
            attachments=request.attachments,
        )
        async with self._services.database.begin() as session:
            acting = await acting_in_chat(session, principal, request.agent_id)
            said = await chat_actions.say(session, principal, acting, conversation_id, words)
        if said.nudge:
            chat_actions.nudge(self._services, conversation_id)
        return message_view(said.entry).json_object()

    async def close(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers the conversation."""
        request = parse(ConversationClose, arguments)
        principal = caller.principal
        audience_of(principal)
        conversation_id = parse_conversation_id(request.conversation_id)
        async with self._services.database.begin() as session:
            acting = await acting_in_chat(session, principal, request.agent_id)
        view = await chat_actions.close(
            self._services, principal, acting, conversation_id, request.reason
        )
        return view.json_object()
