"""The state of a ticket as its workflow knows it, and all that can be asked of it.

Nothing here holds a word that a customer or an agent wrote: these models are kept in workflow
histories.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from domain.deadlines import Deadlines
from domain.life import ThreadState
from domain.models import Channel, Priority, TicketStatus


class TicketState(ThreadState):
    """Where a ticket stands. All instants are UTC."""

    number: int
    channel: Channel
    status: TicketStatus
    priority: Priority
    agent_id: str | None = None
    outlet: str | None = None
    """By which replies go out; None where the customer's client comes for them."""
    created_at: datetime
    deadlines: Deadlines
    snoozed_until: datetime | None = None
    auto_close_at: datetime | None = None

    @property
    def stage(self) -> str:
        return self.status.value

    @property
    def ended(self) -> bool:
        return self.status is TicketStatus.CLOSED

    @property
    def breached(self) -> bool:
        return any(deadline.breached_at for deadline in self.deadlines.values())


class SetStatus(BaseModel):
    kind: Literal["set_status"] = "set_status"
    status: TicketStatus


class SetPriority(BaseModel):
    kind: Literal["set_priority"] = "set_priority"
    priority: Priority


class Assign(BaseModel):
    """Give the ticket to an agent, or with None to nobody."""

    kind: Literal["assign"] = "assign"
    agent_id: str | None


class Snooze(BaseModel):
    kind: Literal["snooze"] = "snooze"
    until: datetime


class Wake(BaseModel):
    kind: Literal["wake"] = "wake"


Command = Annotated[SetStatus | SetPriority | Assign | Snooze | Wake, Field(discriminator="kind")]


class ChangeTicket(BaseModel):
    """What somebody wants done, all of it or nothing. `by` is the caller's id."""

    by: str
    commands: list[Command]


class TicketInput(BaseModel):
    """All that a ticket's workflow is started with: the rest stands in the log."""

    ticket_id: UUID
