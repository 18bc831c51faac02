"""What clients may ask for over a socket. JSON names are camelCase, as in the events."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from api.chat_bodies import AgentMessage, CloseAsAgent
from api.idempotency import Key
from domain.errors import InvalidRequest
from domain.principals import Principal, Role
from domain.text import IdText

_LARGEST_SEQ = 2**63 - 2

TicketIdAsSent = Annotated[str, Field(max_length=64)] | int
"""Any of the three spellings; see `domain.ids.parse_ticket_ref`."""
ConversationIdAsSent = Annotated[str, Field(max_length=64)]
Seq = Annotated[int, Field(ge=0, le=_LARGEST_SEQ)]


class _Request(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class Unsubscribe(_Request):
    """`{scope | conversationId | ticketId}`

    `conversation` is no scope of its own: it stands beside a conversationId, or for the
    conversation that a customer has.
    """

    scope: Literal["tickets", "queue", "team", "conversation"] | None = None
    conversation_id: ConversationIdAsSent | None = None
    ticket_id: TicketIdAsSent | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        conversation = self.scope == "conversation" or self.conversation_id is not None
        scope = self.scope in ("tickets", "queue", "team")
        if conversation + scope + (self.ticket_id is not None) != 1:
            raise ValueError("Name either a scope, a conversationId or a ticketId.")
        return self


class Subscribe(Unsubscribe):
    """`{scope | conversationId | ticketId, afterSeq?}`"""

    after_seq: Seq | None = None


class TicketTyping(_Request):
    """`{ticketId, typing}`"""

    ticket_id: TicketIdAsSent
    typing: bool


class ChatTyping(_Request):
    """`{conversationId, typing}`, and `agentId?` for back ends and admins"""

    conversation_id: ConversationIdAsSent
    typing: bool
    agent_id: IdText | None = None


class ChatRead(_Request):
    """`{conversationId, seq}`, and `agentId?` for back ends and admins"""

    conversation_id: ConversationIdAsSent
    seq: Seq
    agent_id: IdText | None = None


class ChatSend(AgentMessage):
    """`{conversationId, content, metadata?, clientId?}`, and for the desk `visibility?, agentId?`

    `clientId` is what `Idempotency-Key` is over HTTP.
    """

    conversation_id: ConversationIdAsSent
    client_id: Key | None = None


class ConversationClose(CloseAsAgent):
    """`{conversationId, reason?}`, and `agentId?` for back ends and admins"""

    conversation_id: ConversationIdAsSent


Request = TypeVar("Request", bound=BaseModel)


def parse(kind: type[Request], arguments: Sequence[object]) -> Request:
    """Read an event's first argument. Raises InvalidRequest, which never quotes what was sent."""
    try:
        return kind.model_validate(arguments[0] if arguments else {})
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"][:1])
        what = fault["msg"].removeprefix("Value error, ")
        raise InvalidRequest(f"{place}: {what}" if place else what) from None


_SUBSCRIBES = ("scope", "conversationId", "ticketId")
_LEFT_OUT = ("", "null", "undefined")
"""What browsers make of a variable that was never set."""


def subscription_in(query: Mapping[str, str], principal: Principal) -> dict[str, str] | None:
    """What a handshake's query subscribes to, as `subscribe` would say it; None for nothing.

    Customers who say that they are, and visitors always, mean their own conversation when they
    name nothing else.
    """
    said = {name: value for name, value in query.items() if value not in _LEFT_OUT}
    if any(name in said for name in _SUBSCRIBES):
        return said
    if principal.role is Role.VISITOR or said.get("role") == "customer":
        return {**said, "scope": "conversation"}
    return None


def inbox_in(query: Mapping[str, str]) -> dict[str, str]:
    """The same for what every socket of a colleague follows: its own user's inbox of team chat,
    from `afterMessageId` on, or from now."""
    after = query.get("afterMessageId", "")
    return {"scope": "team"} | ({} if after in _LEFT_OUT else {"afterSeq": after})
