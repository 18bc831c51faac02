"""The routes of every endpoint: first who may call, then what may be sent, then the handler."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Literal

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from api.access import Members, Rule, admit, rule_among
from api.bodies import MAX_BODY, StrictRequest, check_address
from api.errors import USUAL, Words, answer, describe_shared
from domain.errors import Unavailable

_PATIENCE = 12.0
"""Seconds after which a call is given up, whatever it is that does not answer: a little longer than
a workflow gets. A frozen PostgreSQL holds up even the giving up, by ten seconds more."""
_BODILESS = {"GET", "HEAD", "DELETE"}


class GuardedRoute(APIRoute):
    """Checks the caller before anything that was sent is read.

    FastAPI itself reads the body before it asks the first dependency, so that somebody without
    a token could make it buffer and parse one. Declares the errors that all endpoints share.
    """

    rule: Rule
    words: ClassVar[Words] = USUAL
    """In which failures are told."""
    max_body: ClassVar[int] = MAX_BODY
    """Bytes."""
    patience: ClassVar[float] = _PATIENCE

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        rule = rule_among(options.get("dependencies") or ())
        if rule is None:
            raise TypeError(f"{path} does not say who may call: dependencies=[allow(…)]")
        self.rule = rule
        shared = describe_shared(
            self.words,
            token_required=isinstance(rule, Members),
            takes_body=not _BODILESS.issuperset(options["methods"]),
        )
        options["responses"] = shared | options["responses"]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        rule, words, max_body = self.rule, self.words, self.max_body
        patience = self.patience

        async def guarded(request: Request) -> Response:
            try:
                admit(request.scope, rule)
                check_address(request.scope)
                async with asyncio.timeout(patience):
                    return await handle(StrictRequest(request.scope, request.receive, max_body))
            except TimeoutError:
                return answer(Unavailable(), words)
            except Exception as error:  # noqa: BLE001  the translator of all failures
                return answer(error, words)

        return guarded


class Routes(APIRouter):
    """A router whose every route has to say who may call it.

    `malformed` is the status of requests that do not fit their schema: 400 for families that keep
    422 for what is well formed and makes no sense, as seed 003 does. A family which tells failures
    in another shape gives its `words` instead, to its routes and to each `describe`:

        router = Routes(prefix="/api/chat", words=PLAIN, tags=["Team chat"])

        @router.post("/messages", responses=describe(UnknownUser, words=PLAIN), dependencies=[…])

    What is raised stays the same. Unknown addresses below the prefix are told in `words` too, once
    the router is among the families of `api.app`. Seed 002's are `api.team_access.PLAIN`.

    `max_body` is for those who have to take more bytes than others, `patience`, in seconds, for
    those who have to wait for them.
    """

    def __init__(
        self,
        *,
        malformed: Literal[400, 422] = 422,
        words: Words | None = None,
        max_body: int = MAX_BODY,
        patience: float = _PATIENCE,
        **options: Any,  # noqa: ANN401
    ) -> None:
        self.words = words or Words(malformed)
        own = {"words": self.words, "max_body": max_body, "patience": patience}
        route_class = type("WordedRoute", (GuardedRoute,), own)
        super().__init__(route_class=route_class, **options)
