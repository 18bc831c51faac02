"""Typing, and having read: told to those who listen, and written into no log.

Only who listens to a thread can be seen typing or reading in it. In a conversation the desk is
one person to the customer, the agent who has it; colleagues who listen are not seen.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from api.chat_access import note_activity
from api.socket_commands import Answer, Caller, Command, acting_in_chat, named
from api.socket_requests import ChatRead, ChatTyping, TicketTyping, parse
from api.socket_subscriptions import Subscriptions
from domain.errors import NotAssigned
from domain.models import Side, ThreadKind, ThreadRef
from store import conversations, read_marks
from store.database import Database
from store.feed import Feed, Whisper, WhisperKind


class Whispers:
    def __init__(self, database: Database, feed: Feed, subscriptions: Subscriptions) -> None:
        self._database = database
        self._feed = feed
        self._subscriptions = subscriptions

    def table(self) -> dict[str, Command]:
        """By the event that asks for it."""
        return {
            "ticket:typing": self.type_in_ticket,
            "chat:typing": self.type_in_conversation,
            "chat:read": self.read,
        }

    async def type_in_ticket(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{ticketId, typing}`."""
        request = parse(TicketTyping, arguments)
        ticket = await self._subscriptions.ticket(caller, request.ticket_id)
        return await self._type(caller, ticket, typing=request.typing)

    async def type_in_conversation(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{conversationId, typing}`."""
        request = parse(ChatTyping, arguments)
        conversation = self._subscriptions.conversation(caller, request.conversation_id)
        async with self._database.begin() as session:
            await _require_part(session, caller, conversation, request.agent_id)
        return await self._type(caller, conversation, typing=request.typing)

    async def read(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{conversationId, seq}`, how far the caller's side has read: never less than
        before, nor more than there is."""
        request = parse(ChatRead, arguments)
        conversation = self._subscriptions.conversation(caller, request.conversation_id)
        side = Side.CUSTOMER if caller.principal.is_customer else Side.AGENT
        async with self._database.begin() as session:
            await _require_part(session, caller, conversation, request.agent_id)
            seq = await read_marks.set_mark(session, conversation.id, side, request.seq)
        await self._tell(caller, conversation, WhisperKind.READ, seq)
        return {**named(conversation), "seq": seq}

    async def _type(self, caller: Caller, thread: ThreadRef, *, typing: bool) -> Answer:
        await self._tell(caller, thread, WhisperKind.TYPING, int(typing))
        return {**named(thread), "typing": typing}

    async def _tell(self, caller: Caller, thread: ThreadRef, kind: WhisperKind, value: int) -> None:
        by_customer = caller.principal.is_customer
        await self._feed.tell(Whisper(thread, kind, by_customer, value, caller.sid))


async def _require_part(
    session: AsyncSession, caller: Caller, conversation: ThreadRef, agent_id: str | None
) -> None:
    """The customer, or the agent who has (or had) the conversation. Raises NotAssigned, and what
    `acting_agent` raises."""
    acting = await acting_in_chat(session, caller.principal, agent_id)
    if acting is None:
        return
    row = await conversations.find(session, conversation.id)
    if row.conversation.agent_id != acting.agent_id:
        raise NotAssigned
    await note_activity(session, caller.principal, acting.agent_id)


def event_of(whisper: Whisper) -> tuple[str, Answer]:
    """The event by which others are told."""
    told = named(whisper.thread)
    if whisper.thread.kind is ThreadKind.TICKET:
        who = "customer" if whisper.by_customer else "agent"
        return "ticket:typing", {**told, "typing": bool(whisper.value), "senderType": who}
    side = Side.CUSTOMER if whisper.by_customer else Side.AGENT
    match whisper.kind:
        case WhisperKind.TYPING:
            return "chat:typing", {**told, "typing": bool(whisper.value), "role": side.value}
        case WhisperKind.READ:
            return "chat:read", {**told, "seq": whisper.value, "role": side.value}
        case WhisperKind.DELIVERY | WhisperKind.ATTACHMENT:
            raise ValueError("what has become of it has to be read; see api.delivery_news")
