"""Typing, and having read: told to those who listen, and written into no log.

Only who listens to a thread can be seen typing or reading in it.
"""

from collections.abc import Sequence

from api.socket_commands import Answer, Caller, Command, named
from api.socket_requests import ChatRead, ChatTyping, TicketTyping, parse
from api.socket_subscriptions import Subscriptions
from domain.models import Side, ThreadKind, ThreadRef
from store import read_marks
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
        return await self._type(caller, conversation, typing=request.typing)

    async def read(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{conversationId, seq}`, how far the caller's side has read: never less than
        before, nor more than there is."""
        request = parse(ChatRead, arguments)
        conversation = self._subscriptions.conversation(caller, request.conversation_id)
        side = Side.CUSTOMER if caller.principal.is_customer else Side.AGENT
        async with self._database.begin() as session:
            seq = await read_marks.set_mark(session, conversation.id, side, request.seq)
        await self._tell(caller, conversation, WhisperKind.READ, seq)
        return {**named(conversation), "seq": seq}

    async def _type(self, caller: Caller, thread: ThreadRef, *, typing: bool) -> Answer:
        await self._tell(caller, thread, WhisperKind.TYPING, int(typing))
        return {**named(thread), "typing": typing}

    async def _tell(self, caller: Caller, thread: ThreadRef, kind: WhisperKind, value: int) -> None:
        by_customer = caller.principal.is_customer
        await self._feed.tell(Whisper(thread, kind, by_customer, value, caller.sid))


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
