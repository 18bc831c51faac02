"""The assistant's part in a thread: when it may speak, and what can come of it.

Nothing here holds a word that a customer or the assistant wrote: these models are kept in workflow
histories.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.models import Channel, ThreadRef

LIVECHAT = "livechat"
"""How settings call the channel of live conversations."""
ASSISTED = (*(channel.value for channel in Channel), LIVECHAT)
"""Where the assistant can be switched on."""


class Question(BaseModel):
    """A customer's message that it is the assistant's turn to answer, and when it came."""

    model_config = ConfigDict(frozen=True)

    seq: int
    at: datetime


class AssistInput(BaseModel):
    """Which message of a customer is to be answered."""

    thread: ThreadRef
    seq: int


class Reaction(StrEnum):
    """What the assistant has said to a message."""

    ANSWERED = "answered"
    ASKED = "asked"
    """It needs to know more."""
    HANDED_OVER = "handed_over"
    """To a person, and told the customer so."""
    SILENT = "silent"
    """It was not its turn: a person was faster, the customer has written more, or it had spoken
    already."""


class Assisted(BaseModel):
    """The outcome, for operators."""

    reaction: Reaction
    reason: str | None = None
    """Why it was handed over: `asked_for_person`, `not_sure`, …"""


@dataclass(frozen=True, slots=True)
class AssistPolicy:
    """What the settings say of the assistant. `model`: whether there is a language model."""

    channels: frozenset[str] = frozenset(ASSISTED)
    model: bool = False
    deadline: timedelta = timedelta(seconds=20)
