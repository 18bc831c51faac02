"""The tables of the knowledge base; see `store.tables`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from domain.knowledge import Article, Audience
from store.tables import Table


class StoredArticle(Table):
    """An article as it is now."""

    __tablename__ = "articles"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    tags: Mapped[list[str]]
    audience: Mapped[str]
    language: Mapped[str]
    version: Mapped[int]
    slug: Mapped[str | None]
    """Of an imported article: which file it was."""
    updated_by: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    search_config: Mapped[str] = mapped_column(deferred=True)
    """By which of PostgreSQL's text search configurations `search` was made."""
    search: Mapped[str] = mapped_column(TSVECTOR, deferred=True)
    """The title's words weigh A, the tags' B, the body's C."""

    def as_article(self) -> Article:
        return Article(
            id=self.id,
            title=self.title,
            body=self.body,
            tags=tuple(self.tags),
            audience=Audience(self.audience),
            language=self.language,
            version=self.version,
            created_at=self.created_at,
            updated_at=self.updated_at,
            updated_by=self.updated_by,
        )


class StoredVersion(Table):
    """An article as it was."""

    __tablename__ = "article_versions"

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    tags: Mapped[list[str]]
    audience: Mapped[str]
    language: Mapped[str]
    updated_by: Mapped[str | None]
    updated_at: Mapped[datetime]


class StoredLexeme(Table):
    """A lexeme that an article has or had."""

    __tablename__ = "article_lexemes"

    search_config: Mapped[str] = mapped_column(primary_key=True)
    lexeme: Mapped[str] = mapped_column(primary_key=True)


class StoredEmbedding(Table):
    """What a model makes of a version of an article.

    The vector itself stands in a column `embedding`, of a type that SQLAlchemy does not know. The
    table is missing where PostgreSQL has no extension `vector`.
    """

    __tablename__ = "article_embeddings"

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
