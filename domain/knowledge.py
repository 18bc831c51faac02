"""The knowledge base, in the words that its parts share."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Audience(StrEnum):
    PUBLIC = "public"
    INTERNAL = "internal"
    """For agents alone."""


EVERY_AUDIENCE = frozenset(Audience)
CUSTOMERS = frozenset({Audience.PUBLIC})
"""What customers may read, and what the assistant may tell them."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What somebody writes into an article."""

    title: str
    body: str
    tags: tuple[str, ...] = ()
    audience: Audience = Audience.PUBLIC
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Article:
    """`body` is Markdown, `language` a two-letter code of ISO 639-1."""

    id: UUID
    title: str
    body: str
    tags: tuple[str, ...]
    audience: Audience
    language: str
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str | None = None

    @property
    def writing(self) -> Writing:
        return Writing(self.title, self.body, self.tags, self.audience, self.language)


@dataclass(frozen=True, slots=True)
class Found:
    """An article that may answer a question.

    `coverage`, from 0 to 1: how much of what the question is about the article speaks of; rare
    words weigh more than common ones, and it is half as much when neither the title nor the tags
    name any of it. `score` orders what was found and means nothing else.
    """

    article: Article
    score: float
    coverage: float
