"""What every thread's workflow has in common: its state, how it looks, and what it decides.

Nothing here holds a word that a customer or an agent wrote: these models are kept in workflow
histories.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.assistance import Question
from domain.events import Event, Head


class ThreadState(BaseModel):
    """Where a thread stands.

    `version` counts the writes of this state. A state with a lower version than the thread's
    row is outdated, and nothing may be decided by it. `last_cause` is the update that was
    carried out last.
    """

    model_config = ConfigDict(frozen=True)

    version: int
    last_cause: str | None = None

    @property
    def stage(self) -> str:
        """Its status, in the words of its kind."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Nothing will ever happen to it again."""
        raise NotImplementedError

    def as_written(self) -> Self:
        """What of it stands in the thread's row; the rest follows from the log."""
        return self


State = TypeVar("State", bound=ThreadState)
Policy = TypeVar("Policy", bound=BaseModel)


class Look(BaseModel, Generic[State]):
    """The workflow's side of `advance`: what it has decided, and how far it has looked.

    `decided` is written only if `version` is still that of the row; with `drained` also only
    if nothing unseen follows `cursor`.
    """

    thread_id: UUID
    cursor: int
    version: int
    decided: State | None = None
    events: list[Event] = Field(default_factory=list)
    drained: bool = False


class Seen(BaseModel, Generic[State]):
    """The log's side of `advance`.

    `state` is set when the row is not what the workflow thinks: it has to take it and decide
    again. `heads` is what it has still to look at. `refusal` names the error for which a
    decision was not written, though nothing was wrong with it: an agent has no room.
    """

    cursor: int
    written: bool
    state: State | None = None
    heads: list[Head] = Field(default_factory=list)
    refusal: str | None = None
    to_answer: Question | None = None


class Loaded(BaseModel, Generic[State, Policy]):
    """What a workflow needs to begin, or to begin again."""

    state: State
    policy: Policy
    cursor: int
    heads: list[Head] = Field(default_factory=list)
    """What the workflow has to look at first."""
    undelivered: bool = False
    """Whether something of it is still to go out."""
    unserved_after: timedelta = timedelta(minutes=15)
    """An account whose task queue nobody has served for so long may never be served again."""
    to_answer: Question | None = None
    answer_within: timedelta = timedelta(seconds=20)
    """After the customer's message."""


class Alarm(BaseModel):
    """Something that will happen to a thread by itself."""

    what: str
    at: datetime


class ProcessView(BaseModel):
    """What a thread is waiting for."""

    status: str
    waiting_for: str
    """One sentence for people."""
    alarms: list[Alarm]
    """The soonest first."""
    handled_seq: int


@dataclass(frozen=True)
class Decision(Generic[State]):
    """A thread's next state, and the events that tell how it came to it."""

    state: State
    events: list[Event] = field(default_factory=list)

    def changes(self, state: State) -> bool:
        """Whether anything has to be written. A ticket that was reopened and answered in one
        look is where it was, and yet both happened."""
        return bool(self.events) or self.state.as_written() != state.as_written()

    def then(self, *events: Event, **changes: object) -> "Decision[State]":
        return Decision(self.state.model_copy(update=changes), [*self.events, *events])


def one_line(waiting_for: str, alarms: Sequence[Alarm]) -> str:
    """For the Temporal UI: what a thread waits for, and what happens by itself."""
    coming = "; ".join(f"{alarm.what} {clock_time(alarm.at)}" for alarm in alarms)
    return waiting_for + (f"; {coming}" if coming else "")


def clock_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
