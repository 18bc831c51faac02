"""What clients can ask for about tickets, and what they get for an answer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload
from uuid import UUID

from api.ownership import require_access
from api.socket_requests import Subscribe, TicketIdAsSent, TicketTyping, Unsubscribe, parse
from api.streams import TICKETS, Audience, Streams, Topic
from domain.errors import InsufficientPermissions, InvalidRequest, TicketNotFound
from domain.ids import parse_ticket_ref, ticket_id_text
from domain.models import ThreadKind, ThreadRef
from domain.principals import Principal, Role, Scope
from store import tickets
from store.database import Database
from store.feed import Feed, Whisper, WhisperKind

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    sid: str
    principal: Principal


Command = Callable[[Caller, Sequence[object]], Awaitable[Answer]]
"""Takes the arguments of an event. Raises any HoldfastError, and `streams.Gone`."""


class TicketCommands:
    def __init__(self, database: Database, feed: Feed, streams: Streams) -> None:
        self._database = database
        self._feed = feed
        self._streams = streams

    def table(self) -> dict[str, Command]:
        """By the event that asks for it."""
        return {
            "subscribe": self.subscribe,
            "unsubscribe": self.unsubscribe,
            "ticket:typing": self.type,
        }

    async def subscribe(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{scope | ticketId, seq}`: up to `seq`, everything asked for has been sent."""
        request = parse(Subscribe, arguments)
        audience = _audience(caller.principal)
        topic = await self._visible(caller.principal, request)
        seq = await self._streams.subscribe(caller.sid, topic, audience, request.after_seq)
        return {**_named(topic), "seq": seq}

    async def unsubscribe(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{scope | ticketId}`."""
        request = parse(Unsubscribe, arguments)
        topic = await self._subscribed(caller, request.ticket_id)
        self._streams.unsubscribe(caller.sid, topic)
        return _named(topic)

    async def type(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{ticketId, typing}`. Only who listens to a ticket can be seen typing."""
        request = parse(TicketTyping, arguments)
        ticket_id = await self._subscribed(caller, request.ticket_id)
        by_customer = caller.principal.role is Role.CUSTOMER
        thread = ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
        kind = WhisperKind.TYPING
        await self._feed.tell(Whisper(thread, kind, by_customer, request.typing, caller.sid))
        return {**_named(ticket_id), "typing": request.typing}

    async def _visible(self, principal: Principal, request: Subscribe) -> Topic:
        """Raises InsufficientPermissions, and TicketNotFound for other people's tickets too."""
        if request.ticket_id is None:
            if principal.role is Role.CUSTOMER:
                raise InsufficientPermissions
            return TICKETS
        async with self._database.begin() as session:
            row = await tickets.find(session, parse_ticket_ref(str(request.ticket_id)))
            await require_access(session, principal, row)
        return row.ticket.id

    @overload
    async def _subscribed(self, caller: Caller, ticket_id: TicketIdAsSent) -> UUID: ...
    @overload
    async def _subscribed(self, caller: Caller, ticket_id: TicketIdAsSent | None) -> Topic: ...
    async def _subscribed(self, caller: Caller, ticket_id: TicketIdAsSent | None) -> Topic:
        """What the caller is subscribed to; without an id the list of all tickets.

        Raises InvalidRequest for anything else, so that nobody learns what exists.
        """
        topic: Topic | None = TICKETS if ticket_id is None else await self._id(ticket_id)
        if topic is None or not self._streams.is_subscribed(caller.sid, topic):
            raise InvalidRequest("There is no such subscription. Subscribe first.")
        return topic

    async def _id(self, ticket_id: TicketIdAsSent) -> UUID | None:
        try:
            ref = parse_ticket_ref(str(ticket_id))
            if isinstance(ref, UUID):
                return ref
            async with self._database.begin() as session:
                return (await tickets.find(session, ref)).ticket.id
        except TicketNotFound:
            return None


def typing_told(whisper: Whisper) -> Answer:
    """The payload of `ticket:typing`, as others get it."""
    return {
        **_named(whisper.thread.id),
        "typing": bool(whisper.value),
        "senderType": "customer" if whisper.by_customer else "agent",
    }


def _audience(principal: Principal) -> Audience:
    """Raises InsufficientPermissions for back ends that have nothing to do with tickets."""
    if principal.role is Role.CUSTOMER:
        return Audience.CUSTOMER
    if principal.is_staff or principal.has(Scope.TICKETS):
        return Audience.STAFF
    raise InsufficientPermissions


def _named(topic: Topic) -> Answer:
    return {"scope": topic} if topic == TICKETS else {"ticketId": ticket_id_text(topic)}
