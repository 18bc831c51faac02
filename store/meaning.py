"""Articles that answer a question, found by its words and, where there is a model for it, by what
it means."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import nearness
from domain.knowledge import Article, Audience, Found
from store import article_search, embeddings
from store.database import Database

log = structlog.get_logger(__name__)

_NEAREST = 10


class Meanings(Protocol):
    """What questions mean, in the vectors of a model."""

    @property
    def name(self) -> str:
        """The model's, as it is kept with the articles' vectors."""

    async def of(self, question: str) -> Sequence[float] | None:
        """None where it cannot be said at once; never an error."""


@dataclass(frozen=True, slots=True)
class _Near:
    article: Article
    similarity: float
    coverage: float


async def search(
    database: Database,
    meanings: Meanings | None,
    question: str,
    *,
    audiences: Collection[Audience],
    language: str | None = None,
    limit: int = 5,
) -> list[Found]:
    """The articles that answer best, the best first.

    What is found by meaning covers the question as much as its words say, or as much as its
    meaning does, whichever is more; see `domain.nearness`. Where the meaning cannot be had, words
    have to do.
    """
    near = [] if meanings is None else await _near(database, meanings, question, audiences)
    async with database.reading() as session:
        found = await article_search.search(
            session,
            question,
            audiences=audiences,
            language=language,
            limit=limit,
            near=[(each.article, each.similarity) for each in near],
        )
    meant = {each.article.id: each.coverage for each in near}
    return [
        replace(each, coverage=max(each.coverage, meant.get(each.article.id, 0.0)))
        for each in found
    ]


async def _near(
    database: Database, meanings: Meanings, question: str, audiences: Collection[Audience]
) -> list[_Near]:
    """No connection is held while the model thinks."""
    try:
        async with database.reading() as session:
            if not await embeddings.available(session):
                return []
        vector = await meanings.of(question)
        if vector is None:
            return []
        async with database.begin() as session:
            await session.execute(_SOON)
            return await _standing_out(session, meanings.name, vector, audiences)
    except exc.DBAPIError as error:
        log.warning("question_searched_by_words_alone", reason=type(error).__name__)
        return []


async def _standing_out(
    session: AsyncSession, model: str, vector: Sequence[float], audiences: Collection[Audience]
) -> list[_Near]:
    """The nearest first. Of a handful of articles all are near, and none is certain."""
    found = await embeddings.nearest(session, model, vector, audiences, _NEAREST)
    background = await embeddings.background(session, model, vector, nearness.ENOUGH_ARTICLES)
    if background is None:
        return [_Near(article, similarity, 0.0) for article, similarity in found]
    standing = [(*each, nearness.standing(each[1], background)) for each in found]
    return [
        _Near(article, similarity, nearness.coverage(stands))
        for article, similarity, stands in standing
        if stands >= nearness.WORTH_SHOWING
    ]


_SOON = text("SET LOCAL statement_timeout = '1s'")
