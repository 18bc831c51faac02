"""Articles that answer a question, found by its words.

The question's lexemes are looked up in the index one by one, so that the cost grows with the
question and with how common its words are, not with the size of the knowledge base.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import relevance
from domain.knowledge import Article, Audience, Found
from domain.relevance import Mentions
from store.knowledge_tables import StoredArticle

_CANDIDATES = 50
"""Articles whose every mention of the words is looked at."""


@dataclass(frozen=True, slots=True)
class _Term:
    """A lexeme of the question; `articles` of all that may be found mention it."""

    search_config: str
    lexeme: str
    articles: int
    share: float = 0.0
    """Of what the question is about, in articles of this configuration; all shares make 1."""


@dataclass(frozen=True, slots=True)
class _Readers:
    """Which articles may be found."""

    audiences: list[str]
    language: str | None

    def parameters(self) -> dict[str, Any]:
        return {"audiences": self.audiences, "language": self.language}


async def search(
    session: AsyncSession,
    question: str,
    *,
    audiences: Collection[Audience],
    language: str | None = None,
    limit: int = 5,
    near: Sequence[tuple[Article, float]] | None = None,
) -> list[Found]:
    """The articles that answer best, the best first; any question is good, and finds what it may.

    `near` are articles that are near in meaning, the nearest first, as `store.embeddings` finds
    them: both rankings are fused.
    """
    readers = _Readers(sorted(audiences), language)
    meant = [each.id for each, _ in near or () if _may_read(each, readers)]
    terms = await _terms(session, question, readers)
    scored = await _scored(session, terms, readers, meant)
    ranked = sorted(scored, key=lambda each: (-scored[each][0], each))
    by_words = {each: scored[each][0] for each in ranked}
    order = relevance.fuse([ranked, meant]) if meant else by_words
    best = list(order)[:limit]
    articles = await _read(session, best)
    return [
        Found(articles[each], order[each], scored[each][1] if each in scored else 0.0)
        for each in best
        if each in articles
    ]


def _may_read(article: Article, readers: _Readers) -> bool:
    return article.audience in readers.audiences and readers.language in (None, article.language)


async def _terms(session: AsyncSession, question: str, readers: _Readers) -> list[_Term]:
    """The question in lexemes, one set for each configuration that articles were made with."""
    words = relevance.words_of(question)
    sizes = await _sizes(session, readers)
    if not words or not sizes:
        return []
    asked = {"words": words, "configs": list(sizes), "most": relevance.MOST_LEXEMES}
    rows = await session.execute(_LEXEMES, asked)
    terms = await _counted(session, [(row.search_config, row.lexeme) for row in rows], readers)
    return _weighed(await _corrected(session, terms, readers), sizes)


async def _sizes(session: AsyncSession, readers: _Readers) -> dict[str, int]:
    rows = await session.execute(_SIZES, readers.parameters())
    return {row.search_config: row.articles for row in rows}


async def _counted(
    session: AsyncSession, lexemes: Sequence[tuple[str, str]], readers: _Readers
) -> list[_Term]:
    asked = {"configs": [each[0] for each in lexemes], "lexemes": [each[1] for each in lexemes]}
    rows = await session.execute(_COUNT, asked | readers.parameters())
    return [_Term(row.search_config, row.lexeme, row.articles) for row in rows]


async def _corrected(session: AsyncSession, terms: list[_Term], readers: _Readers) -> list[_Term]:
    """With misspelt words replaced by what was probably meant."""
    unknown = [
        term for term in terms if not term.articles and relevance.edits_forgiven(term.lexeme)
    ]
    if not unknown:
        return terms
    meant = await _meant(session, unknown)
    counted = await _counted(session, list(meant.values()), readers)
    known = {(term.search_config, term.lexeme): term for term in terms}
    found = {(term.search_config, term.lexeme): term for term in counted if term.articles}
    for wrong, right in meant.items():
        if right in found:
            del known[wrong]
            known[right] = found[right]
    return list(known.values())


async def _meant(
    session: AsyncSession, unknown: Sequence[_Term]
) -> dict[tuple[str, str], tuple[str, str]]:
    rows = await session.execute(
        _ALIKE,
        {
            "configs": [term.search_config for term in unknown],
            "lexemes": [term.lexeme for term in unknown],
            "edits": [relevance.edits_forgiven(term.lexeme) for term in unknown],
        },
    )
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        alike[row.search_config, row.lexeme].append(row.known)
    closest = {wrong: relevance.closest(wrong[1], known) for wrong, known in alike.items()}
    return {wrong: (wrong[0], right) for wrong, right in closest.items() if right is not None}


def _weighed(terms: Sequence[_Term], sizes: dict[str, int]) -> list[_Term]:
    totals: defaultdict[str, float] = defaultdict(float)
    for term in terms:
        totals[term.search_config] += relevance.weight(sizes[term.search_config], term.articles)
    return [
        replace(
            term,
            share=relevance.weight(sizes[term.search_config], term.articles)
            / totals[term.search_config],
        )
        for term in terms
    ]


async def _scored(
    session: AsyncSession, terms: Sequence[_Term], readers: _Readers, also: Sequence[UUID]
) -> dict[UUID, tuple[float, float]]:
    """(score, coverage) of the articles that cover most of the question, and of those in `also`
    that mention any of it."""
    mentioned = [term for term in terms if term.articles]
    if not mentioned:
        return {}
    shares = {(term.search_config, term.lexeme): term.share for term in mentioned}
    asked = {
        "configs": [term.search_config for term in mentioned],
        "lexemes": [term.lexeme for term in mentioned],
        "shares": [term.share for term in mentioned],
        "also": list(also),
        "candidates": _CANDIDATES,
    }
    mentions: defaultdict[UUID, list[tuple[float, Mentions]]] = defaultdict(list)
    for row in await session.execute(_MENTIONS, asked | readers.parameters()):
        where = Mentions(row.title, row.tags, row.body, row.lexemes)
        mentions[row.id].append((shares[row.search_config, row.lexeme], where))
    return {each: relevance.rate(found) for each, found in mentions.items()}


async def _read(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Article]:
    if not ids:
        return {}
    rows = await session.scalars(select(StoredArticle).where(StoredArticle.id.in_(ids)))
    return {row.id: row.as_article() for row in rows}


_READABLE = """
    articles.audience = ANY(CAST(:audiences AS text[]))
    AND (CAST(:language AS text) IS NULL OR articles.language = :language)
"""

_HAS = """
    articles.search_config = terms.search_config
    AND articles.search @@ CAST(
        '''' || replace(replace(terms.lexeme, '\\', '\\\\'), '''', '''''') || '''' AS tsquery)
"""
"""An article mentions a term; the lexeme is quoted as tsquery wants it."""

_SIZES = text(
    f"""
    SELECT search_config, count(*) AS articles FROM articles WHERE {_READABLE}
    GROUP BY search_config ORDER BY search_config
    """  # noqa: S608  no part of it comes from outside
)

_LEXEMES = text(
    """
    WITH lexemes AS (
        SELECT kinds.search_config, found.lexeme, min(words.place) AS place
        FROM unnest(CAST(:configs AS text[])) AS kinds (search_config),
            unnest(CAST(:words AS text[])) WITH ORDINALITY AS words (word, place),
            unnest(to_tsvector(CAST(kinds.search_config AS regconfig), words.word)) AS found
        GROUP BY kinds.search_config, found.lexeme
    ), numbered AS (
        SELECT *, row_number() OVER (
            PARTITION BY search_config ORDER BY place, lexeme
        ) AS number
        FROM lexemes
    )
    SELECT search_config, lexeme FROM numbered WHERE number <= :most
    ORDER BY search_config, number
    """
)

_COUNT = text(
    f"""
    SELECT terms.search_config, terms.lexeme, (
        SELECT count(*) FROM articles WHERE {_HAS} AND {_READABLE}
    ) AS articles
    FROM unnest(CAST(:configs AS text[]), CAST(:lexemes AS text[]))
        AS terms (search_config, lexeme)
    """  # noqa: S608
)

_ALIKE = text(
    """
    SELECT terms.search_config, terms.lexeme, article_lexemes.lexeme AS known
    FROM unnest(CAST(:configs AS text[]), CAST(:lexemes AS text[]), CAST(:edits AS int[]))
        AS terms (search_config, lexeme, edits)
    JOIN article_lexemes ON article_lexemes.search_config = terms.search_config
        AND left(article_lexemes.lexeme, 1) = left(terms.lexeme, 1)
        AND length(article_lexemes.lexeme)
            BETWEEN length(terms.lexeme) - terms.edits AND length(terms.lexeme) + terms.edits
    ORDER BY known
    """
)
"""Whoever misspells a word seldom misses its first letter."""

_MENTIONS = text(
    f"""
    WITH terms AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:configs AS text[]), CAST(:lexemes AS text[]), CAST(:shares AS float8[])
        ) AS terms (search_config, lexeme, share)
    ), covering AS (
        SELECT articles.id, sum(terms.share) AS coverage
        FROM terms JOIN articles ON {_HAS} AND {_READABLE}
        GROUP BY articles.id ORDER BY coverage DESC, articles.id LIMIT :candidates
    )
    SELECT articles.id, articles.search_config, found.lexeme,
        length(articles.search) AS lexemes,
        cardinality(array_positions(found.weights, 'A')) AS title,
        cardinality(array_positions(found.weights, 'B')) AS tags,
        cardinality(array_positions(found.weights, 'C')) AS body
    FROM articles
    CROSS JOIN unnest(articles.search) AS found
    JOIN terms ON terms.search_config = articles.search_config AND terms.lexeme = found.lexeme
    WHERE {_READABLE} AND articles.id = ANY(
        ARRAY(SELECT id FROM covering) || CAST(:also AS uuid[])
    )
    """  # noqa: S608
)
