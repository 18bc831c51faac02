"""Articles as they are shown."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from assistant.passages import best_passage
from domain.ids import article_id_text
from domain.knowledge import Article, Audience, Found

_EXCERPT = 300
"""Characters: what a list of results has room for."""


class ArticleView(BaseModel):
    model_config = ConfigDict(title="Article")

    id: str
    title: str
    body: str
    tags: list[str]
    audience: Audience
    language: str
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str | None = Field(description="Who wrote this version; for staff.")


class ArticlePage(BaseModel):
    articles: list[ArticleView]
    total_count: int
    page: int
    page_size: int


class ArticleVersions(BaseModel):
    versions: list[ArticleView] = Field(description="The newest first: the article as it is now.")


class SearchResult(BaseModel):
    id: str
    title: str
    excerpt: str = Field(description="The part that answers best, as plain text.")
    score: float = Field(description="Orders the results, and means nothing else.")
    coverage: float = Field(
        description="From 0 to 1: how much of what the question is about the article speaks of."
    )
    audience: Audience
    language: str
    tags: list[str]


class SearchResults(BaseModel):
    query: str
    results: list[SearchResult]


def article_view(article: Article, *, internal: bool) -> ArticleView:
    return ArticleView(
        id=article_id_text(article.id),
        title=article.title,
        body=article.body,
        tags=list(article.tags),
        audience=article.audience,
        language=article.language,
        version=article.version,
        created_at=article.created_at,
        updated_at=article.updated_at,
        updated_by=article.updated_by if internal else None,
    )


def search_result(found: Found, question: str) -> SearchResult:
    article = found.article
    return SearchResult(
        id=article_id_text(article.id),
        title=article.title,
        excerpt=best_passage(article.body, question, limit=_EXCERPT),
        score=found.score,
        coverage=found.coverage,
        audience=article.audience,
        language=article.language,
        tags=list(article.tags),
    )
