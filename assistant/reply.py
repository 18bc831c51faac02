"""What the assistant says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from assistant.case import Case
from domain.assistance import Reaction
from domain.knowledge import Article


class ModelTrouble(Exception):
    """The model gave no usable answer. `reason` is for programs and logs, and quotes nothing;
    `retry_after` is in seconds, where the model's server has said it; `lasting`: to ask again would
    change nothing."""

    def __init__(
        self, reason: str, retry_after: float | None = None, *, lasting: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to the customer. `sources`, the best first, are what it is taken from; `reason`
    says why it is handed over."""

    reaction: Reaction
    text: str
    sources: tuple[Article, ...] = ()
    reason: str | None = None


class Assistant(Protocol):
    """Something that answers customers."""

    @property
    def name(self) -> str:
        """Kept with each answer: `built-in`, or the model's name."""

    async def reply(self, case: Case) -> Reply:
        """Raises ModelTrouble."""


def answered(text: str, sources: Sequence[Article]) -> Reply:
    return Reply(Reaction.ANSWERED, text, tuple(sources))


def asked(text: str) -> Reply:
    return Reply(Reaction.ASKED, text)


def handed_over(reason: str, text: str | None = None) -> Reply:
    return Reply(Reaction.HANDED_OVER, text or HANDED_OVER, reason=reason)


HANDED_OVER = "I am passing this on to a colleague, who will answer you here."
