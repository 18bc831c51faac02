"""Articles as vectors of a model's making, to find them by meaning.

The model itself is called elsewhere. Everything here needs PostgreSQL's extension `vector`; ask
`available` first.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.knowledge import Article, Audience
from store.knowledge_tables import StoredArticle, StoredEmbedding


async def available(session: AsyncSession) -> bool:
    """Whether this database can keep vectors."""
    return bool(await session.scalar(_AVAILABLE))


async def missing(session: AsyncSession, model: str, limit: int) -> list[Article]:
    """Some articles of which the model has not seen the newest version."""
    seen = and_(
        StoredEmbedding.article_id == StoredArticle.id,
        StoredEmbedding.version == StoredArticle.version,
        StoredEmbedding.model == model,
    )
    rows = await session.scalars(
        select(StoredArticle)
        .outerjoin(StoredEmbedding, seen)
        .where(StoredEmbedding.article_id.is_(None))
        .limit(limit)
    )
    return [row.as_article() for row in rows]


async def put(session: AsyncSession, article: Article, model: str, values: Sequence[float]) -> None:
    """Keep what the model made of this version. An older version than the one that is kept, and an
    article that is gone, change nothing."""
    kept = {"article_id": article.id, "version": article.version, "model": model}
    await session.execute(_PUT, kept | {"embedding": _vector(values)})


async def nearest(
    session: AsyncSession,
    model: str,
    vector: Sequence[float],
    audiences: Collection[Audience],
    limit: int,
) -> list[tuple[Article, float]]:
    """Articles and how near they are, the nearest first: 1 means the same, 0 unrelated (cosine).

    Those of which the model has seen an older version are found by that.
    """
    asked = {"model": model, "vector": _vector(vector), "size": len(vector)}
    found = await session.execute(
        _NEAREST, asked | {"audiences": sorted(audiences), "limit": limit}
    )
    nearness = {row.article_id: float(row.similarity) for row in found}
    rows = await session.scalars(select(StoredArticle).where(StoredArticle.id.in_(nearness)))
    articles = {row.id: row.as_article() for row in rows}
    return [(articles[each], nearness[each]) for each in nearness if each in articles]


async def background(
    session: AsyncSession, model: str, vector: Sequence[float], articles: int
) -> float | None:
    """How near an article is that has nothing to do with it; None where there are fewer than so
    many articles to tell by. Most have nothing to do with any one vector, so the one in the middle
    has not."""
    asked = {"model": model, "vector": _vector(vector), "size": len(vector)}
    row = (await session.execute(_BACKGROUND, asked)).one()
    return None if row.articles < articles else float(row.median)


def _vector(values: Sequence[float]) -> str:
    """As pgvector reads it."""
    return f"[{','.join(repr(float(value)) for value in values)}]"


_AVAILABLE = text("SELECT to_regclass('article_embeddings') IS NOT NULL")

_PUT = text(
    """
    INSERT INTO article_embeddings AS kept (article_id, version, model, embedding)
    SELECT id, :version, :model, CAST(:embedding AS vector)
    FROM articles WHERE id = :article_id FOR KEY SHARE
    ON CONFLICT (article_id, model) DO UPDATE
    SET version = excluded.version, embedding = excluded.embedding
    WHERE kept.version <= excluded.version
    """
)

_NEAREST = text(
    """
    WITH near AS MATERIALIZED (
        SELECT article_id, CASE
            WHEN vector_dims(embedding) = :size THEN embedding <=> CAST(:vector AS vector)
        END AS distance
        FROM article_embeddings
        WHERE model = :model AND article_id IN (
            SELECT id FROM articles WHERE audience = ANY(CAST(:audiences AS text[]))
        )
    )
    SELECT article_id, 1 - distance AS similarity FROM near
    WHERE distance <= 2 ORDER BY distance, article_id LIMIT :limit
    """
)
"""Vectors of two sizes have no distance. That of a vector of zeros is no number, which PostgreSQL
has above all numbers. There is no index of the vectors, each of which is read: materialized, so
that this happens once."""

_BACKGROUND = text(
    """
    WITH sample AS (
        SELECT CASE
            WHEN vector_dims(embedding) = :size THEN embedding <=> CAST(:vector AS vector)
        END AS distance
        FROM article_embeddings WHERE model = :model ORDER BY article_id LIMIT 200
    )
    SELECT count(*) AS articles,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY 1 - distance) AS median
    FROM sample WHERE distance <= 2
    """
)
