"""Speaking in live conversations over a socket: the same actions as over HTTP."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from api import chat_actions
from api.chat_access import Acting, acting_agent
from api.chat_actions import Words
from api.chat_views import message_view
from api.services import Services
from api.socket_commands import Answer, Caller, Command, audience_of
from api.socket_requests import ChatSend, ConversationClose, parse
from domain.errors import InsufficientPermissions
from domain.ids import parse_conversation_id
from domain.principals import Principal


class ChatCommands:
    def __init__(self, services: Services) -> None:
        self._services = services

    def table(self) -> dict[str, Command]:
        """By the event that asks for it."""
        return {"chat:send": self.send, "conversation:close": self.close}

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
        )
        async with self._services.database.begin() as session:
            acting = await _acting(session, principal, request.agent_id)
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
            acting = await _acting(session, principal, request.agent_id)
        view = await chat_actions.close(
            self._services, principal, acting, conversation_id, request.reason
        )
        return view.json_object()


async def _acting(
    session: AsyncSession, principal: Principal, agent_id: str | None
) -> Acting | None:
    """The agent who acts; None for customers, who act for themselves."""
    if not principal.is_customer:
        return await acting_agent(session, principal, agent_id)
    if agent_id is not None:
        raise InsufficientPermissions
    return None
