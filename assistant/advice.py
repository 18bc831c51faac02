"""What the assistant suggests to agents. Nothing of it is ever sent by itself.

Without a model, a suggestion is made of the thread's own words and of articles: less polished,
and never made up.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from assistant.builtin import find_passage
from assistant.case import Case
from assistant.sureness import SURE
from domain.case import Turn
from domain.knowledge import Article
from domain.models import AuthorKind, Priority
from domain.subjects import subject_of

log = structlog.get_logger(__name__)

PATIENCE = 9.0
"""Seconds for the model; an agent who asks does not want to wait longer."""
_LONGEST_QUOTE = 200
_MOST_TAGS = 5

_URGENT = re.compile(
    r"\b(?:urgent(?:ly)?|asap|immediately|emergency|outage|is down|fraud|stolen|hacked|"
    r"breach(?:ed)?|lawyer|legal action|danger(?:ous)?|unsafe|injur(?:y|ed)|accident|fire)\b",
    re.IGNORECASE,
)
_HIGH = re.compile(
    r"\b(?:broken|does ?n[o']?t work|not working|charged twice|double charged?|lost|missing|"
    r"never arrived|can ?not log ?in|locked out|angry|unacceptable|disappointed|third time|"
    r"still no)\b",
    re.IGNORECASE,
)
_LOW = re.compile(
    r"\b(?:feedback|suggestion|just wondering|curious|no hurry|no rush|whenever you|"
    r"feature request)\b",
    re.IGNORECASE,
)

Advice = TypeVar("Advice")


@dataclass(frozen=True, slots=True)
class SuggestedReply:
    text: str
    sources: tuple[Article, ...] = ()


@dataclass(frozen=True, slots=True)
class Triage:
    tags: tuple[str, ...]
    priority: Priority


@dataclass(frozen=True, slots=True)
class Given(Generic[Advice]):
    """Some advice, and who has given it: `built-in`, or the model's name."""

    advice: Advice
    by: str


class Adviser(Protocol):
    """Something that helps agents. All of it may raise anything."""

    @property
    def name(self) -> str: ...

    async def reply(self, case: Case) -> SuggestedReply:
        """What an agent could answer."""

    async def summary(self, case: Case) -> str:
        """What happened so far, for an agent who comes to it."""

    async def subject(self, case: Case) -> str:
        """A short noun phrase that names the matter."""

    async def triage(self, case: Case) -> Triage:
        """Tags that describe it, and how urgent it is."""


class BuiltInAdviser:
    """Needs no model."""

    name = "built-in"

    async def reply(self, case: Case) -> SuggestedReply:
        passage = await find_passage(case)
        hello = f"Hello {case.customer}," if case.customer else "Hello,"
        if passage is None:
            about = f" about “{case.subject}”" if case.subject else ""
            return SuggestedReply(
                f"{hello}\n\nthank you for your message{about}. I am looking into it and will "
                "answer you here."
            )
        return SuggestedReply(
            f"{hello}\n\n{passage.text}\n\nDoes this answer your question?", (passage.article,)
        )

    async def summary(self, case: Case) -> str:
        counts = Counter(turn.author for turn in case.turns)
        first = next((turn for turn in case.turns if turn.author is AuthorKind.CUSTOMER), None)
        who = case.customer or "The customer"
        parts = [f"{who} wrote on {_when(first)}: “{_quote(first.text)}”"] if first else []
        if len(case.turns) > 1:
            said = [f"{counts[author]} by {name}" for author, name in _NAMES if counts[author]]
            last = case.turns[-1]
            parts.append(f"{len(case.turns)} messages: {', '.join(said)}.")
            parts.append(
                f"The last one is by {_BY[last.author]}, {_when(last)}: “{_quote(last.text)}”"
            )
        return "\n".join(parts) or "Nothing was said yet."

    async def subject(self, case: Case) -> str:
        first = next((turn for turn in case.turns if turn.author is AuthorKind.CUSTOMER), None)
        return subject_of(first.text if first else None, case.customer)

    async def triage(self, case: Case) -> Triage:
        return Triage(await _tags(case), _priority(case.matter))


async def advise(
    model: Adviser | None, ask: Callable[[Adviser], Awaitable[Advice]]
) -> Given[Advice]:
    """The model's advice, or where it fails or takes too long the built-in one."""
    if model is not None:
        try:
            async with asyncio.timeout(PATIENCE):
                return Given(await ask(model), model.name)
        except Exception as error:  # noqa: BLE001  whatever it is, agents get something
            log.warning("adviser_failed", error=type(error).__name__)
    return Given(await ask(_BUILT_IN), _BUILT_IN.name)


async def _tags(case: Case) -> tuple[str, ...]:
    """Those of the articles that surely are about it."""
    near = [
        each.article
        for wording in case.wordings
        for each in await case.library.search(wording)
        if each.coverage >= SURE
    ]
    return tuple(dict.fromkeys(tag for article in near for tag in article.tags))[:_MOST_TAGS]


def _priority(text: str) -> Priority:
    if _URGENT.search(text):
        return Priority.URGENT
    if _HIGH.search(text):
        return Priority.HIGH
    return Priority.LOW if _LOW.search(text) else Priority.MEDIUM


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE].rsplit(" ", 1)[0] + " …"


def _when(turn: Turn) -> str:
    return f"{turn.at:%Y-%m-%d %H:%M} UTC"


_BY = {
    AuthorKind.CUSTOMER: "the customer",
    AuthorKind.AGENT: "an agent",
    AuthorKind.AI: "the assistant",
    AuthorKind.SYSTEM: "the system",
}
_NAMES = (
    (AuthorKind.CUSTOMER, "the customer"),
    (AuthorKind.AGENT, "agents"),
    (AuthorKind.AI, "the assistant"),
)
_BUILT_IN = BuiltInAdviser()
