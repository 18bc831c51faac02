"""What clients may ask for over a socket. JSON names are camelCase, as in the events."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from domain.errors import InvalidRequest

_LARGEST_SEQ = 2**63 - 2

TicketIdAsSent = Annotated[str, Field(max_length=64)] | int
"""Any of the three spellings; see `domain.ids.parse_ticket_ref`."""
Seq = Annotated[int, Field(ge=0, le=_LARGEST_SEQ)]


class _Request(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class Unsubscribe(_Request):
    """`{scope | ticketId}`"""

    scope: Literal["tickets"] | None = None
    ticket_id: TicketIdAsSent | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.scope is None) == (self.ticket_id is None):
            raise ValueError("Name either a scope or a ticketId.")
        return self


class Subscribe(Unsubscribe):
    """`{scope | ticketId, afterSeq?}`"""

    after_seq: Seq | None = None


class TicketTyping(_Request):
    """`{ticketId, typing}`"""

    ticket_id: TicketIdAsSent
    typing: bool


Request = TypeVar("Request", bound=_Request)


def parse(kind: type[Request], arguments: Sequence[object]) -> Request:
    """Read an event's first argument. Raises InvalidRequest, which never quotes what was sent."""
    try:
        return kind.model_validate(arguments[0] if arguments else {})
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"][:1])
        what = fault["msg"].removeprefix("Value error, ")
        raise InvalidRequest(f"{place}: {what}" if place else what) from None
