"""The state of a live conversation as its workflow knows it, and all that can be asked of it.

Nothing here holds a word that a customer or an agent wrote: these models are kept in workflow
histories. Why an agent closes, and the note of a transfer, are text: they wait beside the log
under the update's id; see `store.command_texts`.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.life import ThreadState
from domain.models import AuthorKind, ConversationStatus


class ConversationPolicy(BaseModel):
    """How long everybody waits."""

    model_config = ConfigDict(frozen=True)

    queue_timeout: timedelta
    """After this, a customer in the queue is told that nobody is free."""
    agent_grace: timedelta
    """So long an agent whose sockets are gone keeps the conversations."""
    customer_grace: timedelta
    """After this, a customer whose sockets are gone is not expected back soon."""
    idle_timeout: timedelta
    """A conversation in which nobody says anything for so long is closed."""


class ConversationState(ThreadState):
    """Where a conversation stands. All instants are UTC."""

    status: ConversationStatus
    agent_id: str | None = None
    assigned_at: datetime | None = None
    queued_at: datetime
    """The place in the queue is by age: one that is given back keeps it."""
    queue_timeout_at: datetime | None = None
    """None once the customer was told."""
    customer_here: bool = False
    """Whether a socket of the customer is there."""
    customer_gone_at: datetime | None = None
    """Since when none is, until the customer counts as gone."""
    agent_gone_at: datetime | None = None
    """Since when the agent's sockets are gone."""
    customer_spoke: bool = False
    agent_spoke: bool = False
    """The agent who has it now."""
    released_by: str | None = None
    """The agent who gave it back, to whom it is not offered again."""
    released_at: datetime | None = None
    """When it was given back last: the silence before that is not the customer's."""
    with_assistant: bool = False
    """The customer has chosen the assistant, and nobody else has come since."""
    handed_over: bool = False
    """The assistant has promised that a person will answer, and none has."""
    as_ticket: bool = False
    """It goes on as a ticket."""

    last_word_at: datetime
    """When somebody said something last; follows from the log, like `last_word_by`."""
    last_word_by: AuthorKind | None = None

    @property
    def stage(self) -> str:
        return self.status.value

    @property
    def ended(self) -> bool:
        return self.status is ConversationStatus.CLOSED

    @property
    def unanswered(self) -> bool:
        return self.handed_over or self.last_word_by is AuthorKind.CUSTOMER

    def as_written(self) -> Self:
        return self.model_copy(update={"last_word_at": self.queued_at, "last_word_by": None})


class Accept(BaseModel):
    """An agent takes a waiting conversation, or is given it by the allocator."""

    kind: Literal["accept"] = "accept"
    agent_id: str
    any_team: bool = False
    """Whatever its tags."""


class Close(BaseModel):
    """`agent_id` is set when only the assigned agent may."""

    kind: Literal["close"] = "close"
    agent_id: str | None = None


class Transfer(BaseModel):
    kind: Literal["transfer"] = "transfer"
    to_agent_id: str
    agent_id: str | None = None


class Release(BaseModel):
    """Back to the queue."""

    kind: Literal["release"] = "release"
    agent_id: str | None = None


class ToTicket(BaseModel):
    """Close the conversation and go on with it as a ticket."""

    kind: Literal["to_ticket"] = "to_ticket"
    agent_id: str | None = None


class GoOnWithAssistant(BaseModel):
    """The customer does not want to wait for a person."""

    kind: Literal["assistant"] = "assistant"


ConversationCommand = Annotated[
    Accept | Close | Transfer | Release | ToTicket | GoOnWithAssistant,
    Field(discriminator="kind"),
]


class ChangeConversation(BaseModel):
    """What somebody wants done. `by` is the caller's id, None for the allocator."""

    by: str | None
    command: ConversationCommand


class ConversationInput(BaseModel):
    """All that a conversation's workflow is started with: the rest stands in the log."""

    conversation_id: UUID
