"""The state of a ticket as its workflow knows it, and all that can be asked of it.

Nothing here holds a word that a customer or an agent wrote: these models are kept in workflow
histories.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.deadlines import DeadlineKind, DeadlinePolicy, Deadlines
from domain.models import Channel, EventType, Head, Priority, TicketStatus, Visibility


class TicketState(BaseModel):
    """Where a ticket stands. All instants are UTC.

    `version` counts the writes of this state. A state with a lower version than the ticket's
    row is outdated, and nothing may be decided by it.
    """

    model_config = ConfigDict(frozen=True)

    version: int
    number: int
    channel: Channel
    status: TicketStatus
    priority: Priority
    agent_id: str | None = None
    created_at: datetime
    deadlines: Deadlines
    snoozed_until: datetime | None = None
    auto_close_at: datetime | None = None
    last_cause: str | None = None

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


class Event(BaseModel):
    """One fact for the ticket's log.

    `by` is None when the system acted by itself: on a message, or because a time had come.
    """

    type: EventType
    visibility: Visibility = Visibility.PRIVATE
    before: str | None = None
    after: str | None = None
    deadline: DeadlineKind | None = None
    by: str | None = None


class TicketInput(BaseModel):
    """All that a ticket's workflow is started with: the rest stands in the log."""

    ticket_id: UUID


class Look(BaseModel):
    """The workflow's side of `advance`: what it has decided, and how far it has looked.

    `decided` is written only if `version` is still that of the row; with `drained` also only
    if nothing unseen follows `cursor`.
    """

    ticket_id: UUID
    cursor: int
    version: int
    decided: TicketState | None = None
    events: list[Event] = Field(default_factory=list)
    drained: bool = False


class Seen(BaseModel):
    """The log's side of `advance`.

    `state` is set when the ticket's row is not what the workflow thinks: it has to take it and
    decide again. `heads` is what it has still to look at.
    """

    cursor: int
    written: bool
    state: TicketState | None = None
    heads: list[Head] = Field(default_factory=list)


class Loaded(BaseModel):
    """What a workflow needs to begin, or to begin again."""

    state: TicketState
    policy: DeadlinePolicy
    cursor: int
    heads: list[Head] = Field(default_factory=list)
    """What the workflow has to look at first."""


class Alarm(BaseModel):
    """Something that will happen to a ticket by itself."""

    what: str
    at: datetime


class ProcessView(BaseModel):
    """What a ticket is waiting for."""

    status: TicketStatus
    waiting_for: str
    """One sentence for people."""
    alarms: list[Alarm]
    """The soonest first."""
    handled_seq: int
