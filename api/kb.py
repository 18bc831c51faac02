"""The knowledge base: articles, what they were before, and search."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Response

from api.access import Caller, allow
from api.errors import describe
from api.idempotency import Once, json_answer
from api.kb_bodies import Language, QuestionText, ReplaceArticle, UpdateArticle, WriteArticle
from api.kb_views import (
    ArticlePage,
    ArticleVersions,
    ArticleView,
    SearchResults,
    article_view,
    search_result,
)
from api.paging import DEFAULT_PAGE_SIZE, Page, PageSize
from api.routes import Routes
from api.services import ServicesDep
from domain.errors import ArticleChanged, ArticleNotFound, IdempotencyKeyReused, NothingToUpdate
from domain.ids import parse_article_id
from domain.knowledge import CUSTOMERS, EVERY_AUDIENCE, Audience
from domain.principals import Principal, Role, Scope
from domain.text import ShortText, TagText
from store import articles, meaning
from store.articles import ArticleFilter

READERS = allow(Role.CUSTOMER, Role.VISITOR, Role.AGENT, Role.ADMIN, Scope.TICKETS)
STAFF = allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)
WRITERS = allow(Role.AGENT, Role.ADMIN, Scope.ADMIN)

router = Routes(prefix="/api/kb", tags=["Knowledge base"])


async def _ref(article_id: Annotated[str, Path(description="`art_…`")]) -> UUID:
    return parse_article_id(article_id)


Ref = Annotated[UUID, Depends(_ref)]


@router.get("/articles", response_model=ArticlePage, dependencies=[READERS])
async def list_articles(
    caller: Caller,
    services: ServicesDep,
    audience: Audience | None = None,
    language: Language | None = None,
    tag: TagText | None = None,
    q: Annotated[
        ShortText | None, Query(description="Words in any form, or their beginnings: all of them.")
    ] = None,
    page: Page = 1,
    page_size: PageSize = DEFAULT_PAGE_SIZE,
) -> Response:
    """List articles, the newest first; customers see the public ones. Filters combine."""
    wanted = ArticleFilter(
        audiences=_audiences(caller, audience),
        language=language,
        tag=tag,
        q=q if q and q.strip() else None,
    )
    async with services.database.begin() as session:
        found, total = await articles.page(
            session, wanted, offset=(page - 1) * page_size, limit=page_size
        )
    internal = not caller.is_customer
    return json_answer(
        ArticlePage(
            articles=[article_view(article, internal=internal) for article in found],
            total_count=total,
            page=page,
            page_size=page_size,
        )
    )


@router.post(
    "/articles",
    status_code=201,
    response_model=ArticleView,
    dependencies=[WRITERS],
    responses=describe(IdempotencyKeyReused),
)
async def create_article(
    body: WriteArticle, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        article = await articles.create(session, body.writing(), by=caller.id)
        return await once.answer(session, 201, article_view(article, internal=True))


@router.get(
    "/articles/{article_id}",
    response_model=ArticleView,
    dependencies=[READERS],
    responses=describe(ArticleNotFound),
)
async def get_article(ref: Ref, caller: Caller, services: ServicesDep) -> Response:
    async with services.database.begin() as session:
        article = await articles.get(session, ref, audiences=_audiences(caller))
    return json_answer(article_view(article, internal=not caller.is_customer))


@router.get(
    "/articles/{article_id}/versions",
    response_model=ArticleVersions,
    dependencies=[STAFF],
    responses=describe(ArticleNotFound),
)
async def list_versions(
    ref: Ref, services: ServicesDep, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> Response:
    """What the article is and was, the newest version first."""
    async with services.database.begin() as session:
        found = await articles.versions(session, ref, limit=limit)
    views = [article_view(version, internal=True) for version in found]
    return json_answer(ArticleVersions(versions=views))


@router.put(
    "/articles/{article_id}",
    response_model=ArticleView,
    dependencies=[WRITERS],
    responses=describe(ArticleNotFound, ArticleChanged),
)
async def replace_article(
    ref: Ref, body: ReplaceArticle, caller: Caller, services: ServicesDep
) -> Response:
    """Write the whole article anew; its old version is kept."""
    async with services.database.begin() as session:
        article = await articles.update(
            session, ref, body.writing(), by=caller.id, version=body.version
        )
    return json_answer(article_view(article, internal=True))


@router.patch(
    "/articles/{article_id}",
    response_model=ArticleView,
    dependencies=[WRITERS],
    responses=describe(ArticleNotFound, NothingToUpdate, ArticleChanged),
)
async def update_article(
    ref: Ref, body: UpdateArticle, caller: Caller, services: ServicesDep
) -> Response:
    """Change a part of the article; its old version is kept."""
    if body.changes_nothing:
        raise NothingToUpdate
    async with services.database.begin() as session:
        # Locked, so that two who change different parts both get what they want.
        was = (await articles.lock(session, ref)).as_article()
        article = await articles.update(
            session, ref, body.upon(was.writing), by=caller.id, version=body.version
        )
    return json_answer(article_view(article, internal=True))


@router.delete(
    "/articles/{article_id}",
    status_code=204,
    dependencies=[WRITERS],
    responses=describe(ArticleNotFound),
)
async def delete_article(ref: Ref, services: ServicesDep) -> None:
    """Delete the article with all its versions."""
    async with services.database.begin() as session:
        await articles.delete(session, ref)


@router.get("/search", response_model=SearchResults, dependencies=[READERS])
async def search_articles(
    caller: Caller,
    services: ServicesDep,
    q: Annotated[QuestionText, Query(description="A question in everyday words.")],
    limit: Annotated[int, Query(ge=1, le=20)] = 5,
    audience: Audience | None = None,
    language: Language | None = None,
) -> Response:
    """Find the articles that answer a question, the best first."""
    found = await meaning.search(
        services.database,
        services.helpers.meanings,
        q,
        audiences=_audiences(caller, audience),
        language=language,
        limit=limit,
    )
    results = [search_result(each, q) for each in found]
    return json_answer(SearchResults(query=q, results=results))


def _audiences(caller: Principal, wanted: Audience | None = None) -> frozenset[Audience]:
    """Whose articles the caller sees; what a customer may not see is not there."""
    allowed = CUSTOMERS if caller.is_customer else EVERY_AUDIENCE
    return allowed if wanted is None else allowed & {wanted}
