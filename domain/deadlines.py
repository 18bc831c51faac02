"""Deadlines: which there are, when they fall, and whether they were met."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.models import Priority


class DeadlinePolicy(BaseModel):
    """How long customers may be kept waiting, by priority."""

    model_config = ConfigDict(frozen=True)

    first_response: dict[Priority, timedelta]
    resolution: dict[Priority, timedelta]
    auto_close: timedelta
    """How long a resolved ticket waits before it closes by itself."""


class DeadlineKind(StrEnum):
    FIRST_RESPONSE = "first_response"
    RESOLUTION = "resolution"


class Deadline(BaseModel):
    """One promise to the customer. All times are UTC."""

    due_at: datetime
    met_at: datetime | None = None
    breached_at: datetime | None = None

    @property
    def pending(self) -> bool:
        return self.met_at is None and self.breached_at is None


Deadlines = dict[DeadlineKind, Deadline]


def first_deadlines(policy: DeadlinePolicy, priority: Priority, created_at: datetime) -> Deadlines:
    return {
        DeadlineKind.FIRST_RESPONSE: Deadline(due_at=created_at + policy.first_response[priority]),
        DeadlineKind.RESOLUTION: Deadline(due_at=created_at + policy.resolution[priority]),
    }
