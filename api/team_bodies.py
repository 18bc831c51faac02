"""What clients send in team chat, over HTTP and over sockets. JSON names are camelCase."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

from api.idempotency import Key
from domain.team import TeamStatus
from domain.text import IdText, MessageText, storable

LARGEST_ID = 2**63 - 1


def _digits_of_number(value: Any) -> Any:  # noqa: ANN401  JSON
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else value


UserIdIn = Annotated[
    IdText,
    BeforeValidator(_digits_of_number),
    Field(json_schema_extra={"type": ["string", "integer"]}),
]
"""`42` and `"42"` are one."""
MessageType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20),
    AfterValidator(storable),
    Field(json_schema_extra={"pattern": r"^[^\x00]*$"}),
]
MessageId = Annotated[int, Field(ge=0, le=LARGEST_ID)]


class TeamBody(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class SendMessage(TeamBody):
    receiver_id: UserIdIn
    message: MessageText
    type: MessageType = "text"


class SendOverSocket(SendMessage):
    """`{receiverId, message, type?, clientId?}`

    `clientId` is what `Idempotency-Key` is over HTTP.
    """

    client_id: Key | None = None


class TypingTo(TeamBody):
    """`{receiverId, typing}`"""

    receiver_id: UserIdIn
    typing: bool


class SayStatus(TeamBody):
    """`{status}`"""

    status: TeamStatus


class MarkRead(TeamBody):
    up_to: MessageId | None = Field(None, description="All of it, when left out.")


class AddContact(TeamBody):
    contact_id: UserIdIn
