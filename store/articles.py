"""Articles of the knowledge base: written, changed, listed; see `store.article_search`."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import ArticleChanged, ArticleNotFound
from domain.ids import new_id
from domain.knowledge import EVERY_AUDIENCE, Article, Audience, Writing
from store.article_search import search as search
from store.knowledge_tables import StoredArticle, StoredLexeme, StoredVersion

_SIMPLE = "simple"
SEARCH_CONFIGS = {
    "ar": "arabic",
    "hy": "armenian",
    "eu": "basque",
    "ca": "catalan",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "et": "estonian",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "ga": "irish",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nb": "norwegian",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""What PostgreSQL 18 ships. Other languages, and older servers without one, have `simple`."""


class Outcome(StrEnum):
    """What writing an article has come to."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class ArticleFilter:
    """Which articles; what is None does not narrow.

    `q` finds words in any of their forms, and beginnings of words: all of them in one article.
    """

    audiences: Collection[Audience] = EVERY_AUDIENCE
    language: str | None = None
    tag: str | None = None
    q: str | None = None


async def create(
    session: AsyncSession, writing: Writing, *, by: str | None = None, slug: str | None = None
) -> Article:
    row = await _create(session, writing, by, slug)
    await _learn(session, [row.id])
    return row.as_article()


async def update(
    session: AsyncSession,
    article_id: UUID,
    writing: Writing,
    *,
    by: str | None = None,
    version: int | None = None,
) -> Article:
    """Write a new version and keep the old one; where nothing changes there is no new version.

    `version` is the one that the writer has read. Raises ArticleNotFound and ArticleChanged.
    """
    row = await lock(session, article_id)
    if version is not None and version != row.version:
        raise ArticleChanged
    if await _change(session, row, writing, by):
        await _learn(session, [row.id])
    return row.as_article()


async def lock(session: AsyncSession, article_id: UUID) -> StoredArticle:
    """The article, for this transaction to change. Raises ArticleNotFound."""
    row = await session.get(StoredArticle, article_id, with_for_update=True)
    if row is None:
        raise ArticleNotFound
    return row


async def upsert(
    session: AsyncSession, writings: Mapping[str, Writing], *, by: str | None = None
) -> Counter[Outcome]:
    """Have the articles with these slugs say this. Whoever does it at the same time waits."""
    await session.execute(_TURN)
    outcomes: Counter[Outcome] = Counter()
    written: list[UUID] = []
    for slug, writing in writings.items():
        row = await session.scalar(
            select(StoredArticle).where(StoredArticle.slug == slug).with_for_update()
        )
        if row is None:
            row, outcome = await _create(session, writing, by, slug), Outcome.NEW
        else:
            changed = await _change(session, row, writing, by)
            outcome = Outcome.CHANGED if changed else Outcome.SAME
        outcomes[outcome] += 1
        if outcome is not Outcome.SAME:
            written.append(row.id)
    await _learn(session, written)
    return outcomes


async def delete(session: AsyncSession, article_id: UUID) -> None:
    """With all that it was. Raises ArticleNotFound."""
    await session.delete(await lock(session, article_id))
    await session.flush()


async def get(
    session: AsyncSession, article_id: UUID, *, audiences: Collection[Audience] = EVERY_AUDIENCE
) -> Article:
    """Raises ArticleNotFound, also for one that is for others than these audiences."""
    row = await session.get(StoredArticle, article_id)
    if row is None or row.audience not in audiences:
        raise ArticleNotFound
    return row.as_article()


async def by_slug(session: AsyncSession, slug: str) -> Article | None:
    row = await session.scalar(select(StoredArticle).where(StoredArticle.slug == slug))
    return row.as_article() if row else None


async def page(
    session: AsyncSession, wanted: ArticleFilter, *, offset: int = 0, limit: int = 20
) -> tuple[list[Article], int]:
    """A page of articles, newest first, and how many there are in all."""
    conditions = await _conditions(session, wanted)
    order = (StoredArticle.created_at.desc(), StoredArticle.id.desc())
    # The page is cut before any body is read.
    cut = select(StoredArticle.id).where(*conditions).order_by(*order)
    ids = cut.offset(offset).limit(limit).subquery()
    found = await session.scalars(
        select(StoredArticle).join(ids, ids.c.id == StoredArticle.id).order_by(*order)
    )
    total = await session.scalar(select(func.count()).select_from(StoredArticle).where(*conditions))
    return [row.as_article() for row in found], total or 0


async def versions(session: AsyncSession, article_id: UUID, *, limit: int = 20) -> list[Article]:
    """What the article is and was, the newest version first. Raises ArticleNotFound."""
    now = await get(session, article_id)
    rows = await session.scalars(
        select(StoredVersion)
        .where(StoredVersion.article_id == article_id)
        .order_by(StoredVersion.version.desc())
        .limit(limit - 1)
    )
    return [now, *(_as_it_was(row, now) for row in rows)]


async def _create(
    session: AsyncSession, writing: Writing, by: str | None, slug: str | None
) -> StoredArticle:
    row = StoredArticle(id=new_id(), version=1, slug=slug, created_at=func.now())
    await _write(session, row, writing, by)
    return row


async def _change(
    session: AsyncSession, row: StoredArticle, writing: Writing, by: str | None
) -> bool:
    was = row.as_article()
    if was.writing == writing:
        return False
    session.add(
        StoredVersion(
            article_id=was.id,
            version=was.version,
            title=was.title,
            body=was.body,
            tags=list(was.tags),
            audience=was.audience,
            language=was.language,
            updated_by=was.updated_by,
            updated_at=was.updated_at,
        )
    )
    row.version = was.version + 1
    await _write(session, row, writing, by)
    return True


async def _write(
    session: AsyncSession, row: StoredArticle, writing: Writing, by: str | None
) -> None:
    config = await _search_config(session, writing.language)
    row.title = writing.title
    row.body = writing.body
    row.tags = list(writing.tags)
    row.audience = writing.audience
    row.language = writing.language
    row.updated_by = by
    row.updated_at = func.now()
    row.search_config = config
    row.search = (
        _weighing("A", config, writing.title)
        .op("||")(_weighing("B", config, " ".join(writing.tags)))
        .op("||")(_weighing("C", config, writing.body))
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)


def _weighing(letter: str, config: str, words: str) -> ColumnElement[Any]:
    return func.setweight(func.to_tsvector(config, words), literal_column(f"'{letter}'"))


async def _learn(session: AsyncSession, article_ids: Sequence[UUID]) -> None:
    """Know the words of these articles from now on; once in a transaction."""
    lexemes = select(
        StoredArticle.search_config,
        func.unnest(func.tsvector_to_array(StoredArticle.search)).label("lexeme"),
    ).where(StoredArticle.id.in_(article_ids))
    # In one order for all, so that two writers never wait for each other.
    learnt = insert(StoredLexeme).from_select(
        ["search_config", "lexeme"], lexemes.distinct().order_by(literal_column("1, 2"))
    )
    await session.execute(learnt.on_conflict_do_nothing())


async def _search_config(session: AsyncSession, language: str) -> str:
    wanted = SEARCH_CONFIGS.get(language, _SIMPLE)
    known: str | None = await session.scalar(_CONFIG, {"name": wanted})
    return known or _SIMPLE


async def _conditions(session: AsyncSession, wanted: ArticleFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if set(wanted.audiences) != EVERY_AUDIENCE:
        found.append(StoredArticle.audience.in_(wanted.audiences))
    if wanted.language is not None:
        found.append(StoredArticle.language == wanted.language)
    if wanted.tag is not None:
        found.append(StoredArticle.tags.contains([wanted.tag]))
    if wanted.q is not None:
        used = await session.scalars(select(StoredArticle.search_config).distinct())
        # Every configuration has its own lexemes, and each of these conditions its own index scan.
        found.append(or_(false(), *(_matches(config, wanted.q) for config in used.all())))
    return found


def _matches(config: str, q: str) -> ColumnElement[bool]:
    query = func.to_tsquery(
        _SIMPLE,
        func.regexp_replace(
            cast(func.websearch_to_tsquery(config, q), Text), r"'([^']|'')+'", r"\&:*", "g"
        ),
    )
    return and_(StoredArticle.search_config == config, StoredArticle.search.op("@@")(query))


def _as_it_was(row: StoredVersion, now: Article) -> Article:
    return Article(
        id=now.id,
        title=row.title,
        body=row.body,
        tags=tuple(row.tags),
        audience=Audience(row.audience),
        language=row.language,
        version=row.version,
        created_at=now.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('articles', 2))")
_CONFIG = text("SELECT CAST(cfgname AS text) FROM pg_ts_config WHERE cfgname = :name")
