"""What clients send about live conversations, as seed 003 writes it. More is no mistake."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from api.attachment_bodies import Attachments
from api.ticket_bodies import OptionalEmail, OptionalText, Tags
from domain.errors import InsufficientPermissions
from domain.models import Visibility
from domain.text import IdText, MessageText, Metadata


def _empty_for_null(value: Any) -> Any:  # noqa: ANN401  JSON
    return {} if value is None else value


MetadataIn = Annotated[Metadata, BeforeValidator(_empty_for_null)]


class ChatBody(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class CustomerBody(ChatBody):
    """Customers speak for themselves, and to everybody in the conversation."""

    @model_validator(mode="before")
    @classmethod
    def _as_themselves(cls, given: Any) -> Any:  # noqa: ANN401  JSON
        if isinstance(given, dict) and (
            given.get("agentId") is not None or given.get("visibility") == Visibility.PRIVATE
        ):
            raise InsufficientPermissions
        return given


class StartSession(ChatBody):
    fingerprint: OptionalText = Field(
        None, description="Made by the client. A name, no secret: the token is what resumes."
    )
    display_name: OptionalText = None
    contact: OptionalText = Field(None, description="A phone number.")
    email: OptionalEmail = Field(None, description="Where to answer, should nobody be free.")
    tags: Tags = Field(default_factory=list, description="Which team is needed.")
    metadata: MetadataIn = Field(default_factory=dict)


class CustomerMessage(CustomerBody):
    content: MessageText
    attachments: Attachments = Field(default_factory=list)
    metadata: MetadataIn = Field(default_factory=dict)


class CloseConversation(CustomerBody):
    reason: OptionalText = None


class LeaveAsTicket(CustomerBody):
    email: OptionalEmail = Field(None, description="Where to answer.")


class AgentBody(ChatBody):
    agent_id: IdText | None = Field(
        None, description="Who acts; back ends have to say, admins may, for agents it is the token."
    )


class AgentNamed(AgentBody):
    display_name: OptionalText = None


class BeginShift(AgentNamed):
    channel: OptionalText = None
    status: Literal["online", "offline"] = Field(
        "online", description="`offline` ends the shift: conversations go back to the queue."
    )


class AgentMessage(AgentBody):
    content: MessageText
    attachments: Attachments = Field(default_factory=list)
    metadata: MetadataIn = Field(default_factory=dict)
    visibility: Visibility = Visibility.PUBLIC


class CloseAsAgent(AgentBody):
    reason: OptionalText = None


class TransferTo(AgentBody):
    to_agent_id: IdText
    note: MessageText | None = Field(None, description="For the next agent, never for customers.")


class SeedQueue(ChatBody):
    conversations: Annotated[int, Field(ge=1, le=1000)]


class EquipAgent(ChatBody):
    """What is left out stays as it is."""

    capacity: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        None, description="Conversations at once."
    )
    tags: Tags | None = Field(None, description="Which kinds of conversations.")
    display_name: OptionalText = None
