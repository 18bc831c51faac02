"""Seed 002: the assistant of the agents, which answers from the desk's real figures."""

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints

from api.access import Caller
from api.desk_facts import gather
from api.routes import GuardedRoute, Routes
from api.services import ServicesDep
from api.team_access import PLAIN, STAFF
from assistant import desk
from domain.figures import DeskFacts
from domain.text import MessageText, storable
from store import ai_log
from store.ai_tables import AiResponse

_TROUBLE = "I'm experiencing technical difficulties. Please try again."
_LARGEST_ID = 2**63 - 1


class _ReplyingRoute(GuardedRoute):
    """Says in `reply` too that we have failed, for those who show nothing else."""

    words = PLAIN

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def replying(request: Request) -> Response:
            answer = await handle(request)
            return _with_reply(answer) if answer.status_code >= 500 else answer

        return replying


def _with_reply(failure: Response) -> Response:
    told = {"reply": _TROUBLE} | json.loads(bytes(failure.body))
    body = json.dumps(told).encode("ascii")
    headers = {name: value for name, value in failure.headers.items() if name != "content-length"}
    return Response(body, failure.status_code, headers)


PageText = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(storable),
    Field(json_schema_extra={"pattern": r"^[^\x00]*$"}),
]


class Question(BaseModel):
    message: Annotated[MessageText, StringConstraints(max_length=4_000)]
    page: PageText | None = Field(None, description="Where it was asked; `/` where nothing is.")


class ArticleSource(BaseModel):
    id: str
    title: str


class Reply(BaseModel):
    """`reply` is Markdown. `sources` are the articles from which it was taken."""

    reply: str
    sources: list[ArticleSource] = []


class Exchange(BaseModel):
    """A question of the caller's, and what was replied."""

    id: int
    message: str
    reply: str
    page: str | None
    created_at: AwareDatetime


class Trouble(BaseModel):
    reply: str = _TROUBLE
    error: str


router = Routes(
    prefix="/api/aichat", words=PLAIN, tags=["Team chat: assistant"], dependencies=[STAFF]
)


@router.get("/history")
async def history(
    caller: Caller,
    services: ServicesDep,
    before: Annotated[int | None, Query(ge=1, le=_LARGEST_ID, description="An id.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> list[Exchange]:
    """Say what the caller has asked, and what was replied: the newest, in their order."""
    async with services.database.reading() as session:
        found = await ai_log.history(session, caller.id, before=before, limit=limit)
    return [_exchange(each) for each in found]


async def ask(question: Question, caller: Caller, services: ServicesDep) -> Reply:
    """Answer from the caller's tickets, the desk's figures, or the knowledge base.

    What is not understood is answered with what can be asked.
    """
    facts = await gather(services, caller, question.message, datetime.now(UTC))
    reply = await desk.answer(services.helpers.desk, question.message, facts)
    async with services.database.begin() as session:
        await ai_log.keep(session, caller.id, question.message, reply, question.page or "/")
    return Reply(reply=reply, sources=_sources(facts))


router.add_api_route(
    "/ask",
    ask,
    methods=["POST"],
    route_class_override=_ReplyingRoute,
    responses={
        status: {"model": Trouble, "description": description}
        for status, description in ((500, "A fault of ours."), (503, "Something is down."))
    },
)


def _sources(facts: DeskFacts) -> list[ArticleSource]:
    source = facts.source
    return [ArticleSource(id=source.article_id, title=source.title)] if source else []


def _exchange(kept: AiResponse) -> Exchange:
    return Exchange(
        id=kept.id,
        message=kept.user_message,
        reply=kept.ai_response,
        page=kept.page,
        created_at=kept.created_at,
    )
