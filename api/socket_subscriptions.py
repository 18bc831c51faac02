"""Subscribing: what a client may follow, which its token alone decides."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from api.chat_access import visible
from api.ownership import own_customer, require_access
from api.queue_board import QueueBoard
from api.socket_commands import (
    Answer,
    Caller,
    Command,
    audience_of,
    named,
    no_such_subscription,
    require_staff,
)
from api.socket_requests import Subscribe, TicketIdAsSent, Unsubscribe, parse
from api.streams import TICKETS, Audience, Inbox, Streams, Topic
from domain.errors import (
    ConversationNotFound,
    InsufficientPermissions,
    InvalidRequest,
    TicketNotFound,
)
from domain.ids import parse_conversation_id, parse_ticket_ref
from domain.models import ThreadKind, ThreadRef
from domain.principals import Principal
from store import conversations, tickets
from store.database import Database

_QUEUE: Answer = {"scope": "queue"}


class Subscriptions:
    def __init__(self, database: Database, streams: Streams, board: QueueBoard) -> None:
        self._database = database
        self._streams = streams
        self._board = board

    def table(self) -> dict[str, Command]:
        """By the event that asks for it."""
        return {"subscribe": self.subscribe, "unsubscribe": self.unsubscribe}

    async def subscribe(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{scope | conversationId | ticketId, seq}`: up to `seq`, everything asked for
        has been sent. Snapshots of the queue have no `seq`."""
        request = parse(Subscribe, arguments)
        audience = audience_of(caller.principal)
        if request.scope in ("tickets", "queue") and audience is Audience.CUSTOMER:
            raise InsufficientPermissions
        if request.scope == "queue":
            await self._board.join(caller.sid)
            return _QUEUE
        if request.scope == "team":
            topic: Topic = Inbox(require_staff(caller.principal))
        else:
            topic = await self._visible(caller.principal, request)
        seq = await self._streams.subscribe(caller.sid, topic, audience, request.after_seq)
        return {**named(topic), "seq": seq}

    async def unsubscribe(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{scope | conversationId | ticketId}`."""
        request = parse(Unsubscribe, arguments)
        if request.scope == "queue":
            if not self._board.leave(caller.sid):
                raise no_such_subscription()
            return _QUEUE
        topic: Topic = TICKETS
        if request.scope == "tickets":
            self._require(caller, topic)
        elif request.scope == "team":
            topic = Inbox(require_staff(caller.principal))
            self._require(caller, topic)
        elif request.ticket_id is not None:
            topic = await self.ticket(caller, request.ticket_id)
        else:
            topic = self.conversation(caller, request.conversation_id or "")
        self._streams.unsubscribe(caller.sid, topic)
        return named(topic)

    def leave(self, sid: str) -> None:
        """End all subscriptions of a client."""
        self._streams.leave(sid)
        self._board.leave(sid)

    async def ticket(self, caller: Caller, ticket_id: TicketIdAsSent) -> ThreadRef:
        """The ticket that is meant, if the caller is subscribed to it. Raises InvalidRequest."""
        try:
            ref = parse_ticket_ref(str(ticket_id))
            if isinstance(ref, int):
                async with self._database.begin() as session:
                    ref = (await tickets.find(session, ref)).ticket.id
        except TicketNotFound:
            raise no_such_subscription() from None
        ticket = ThreadRef(kind=ThreadKind.TICKET, id=ref)
        self._require(caller, ticket)
        return ticket

    def conversation(self, caller: Caller, conversation_id: str) -> ThreadRef:
        """The same for a conversation."""
        try:
            found = parse_conversation_id(conversation_id)
        except ConversationNotFound:
            raise no_such_subscription() from None
        conversation = ThreadRef(kind=ThreadKind.CONVERSATION, id=found)
        self._require(caller, conversation)
        return conversation

    def _require(self, caller: Caller, topic: Topic) -> None:
        if not self._streams.is_subscribed(caller.sid, topic):
            raise no_such_subscription()

    async def _visible(self, principal: Principal, request: Subscribe) -> Topic:
        """Raises TicketNotFound and ConversationNotFound, for other people's too."""
        if request.scope == "tickets":
            return TICKETS
        async with self._database.begin() as session:
            if request.ticket_id is not None:
                row = await tickets.find(session, parse_ticket_ref(str(request.ticket_id)))
                await require_access(session, principal, row)
                return ThreadRef(kind=ThreadKind.TICKET, id=row.ticket.id)
            if request.conversation_id is None:
                return await _own_conversation(session, principal)
            wanted = parse_conversation_id(request.conversation_id)
            found = await visible(session, principal, wanted)
        return ThreadRef(kind=ThreadKind.CONVERSATION, id=found.conversation.id)


async def _own_conversation(session: AsyncSession, principal: Principal) -> ThreadRef:
    """The open conversation of a customer, or else the last one. Raises ConversationNotFound."""
    if not principal.is_customer:
        raise InvalidRequest("Only customers have a conversation of their own. Name one.")
    own = await own_customer(session, principal)
    found = await conversations.newest_of(session, own.id) if own is not None else None
    if found is None:
        raise ConversationNotFound
    return ThreadRef(kind=ThreadKind.CONVERSATION, id=found)
