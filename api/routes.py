"""The routes of every endpoint: first who may call, then what may be sent, then the handler."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Literal

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from api import errors
from api.access import Members, Rule, admit, rule_among
from api.bodies import StrictRequest, check_address
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
    malformed: ClassVar[int] = 422
    """The status of a request that does not fit its schema."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        rule = rule_among(options.get("dependencies") or ())
        if rule is None:
            raise TypeError(f"{path} does not say who may call: dependencies=[allow(…)]")
        self.rule = rule
        shared = _shared_errors(rule, options["methods"], self.malformed)
        options["responses"] = shared | options["responses"]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        rule, malformed = self.rule, self.malformed

        async def guarded(request: Request) -> Response:
            try:
                admit(request.scope, rule)
                check_address(request.scope)
                async with asyncio.timeout(_PATIENCE):
                    return await handle(StrictRequest(request.scope, request.receive))
            except TimeoutError:
                return errors.answer(Unavailable())
            except Exception as error:  # noqa: BLE001  the translator of all failures
                return errors.answer(error, malformed)

        return guarded


class _DistinctRoute(GuardedRoute):
    """Keeps 422 for what is well formed and makes no sense, as seed 003 does."""

    malformed = 400


class Routes(APIRouter):
    """A router whose every route has to say who may call it.

    `malformed` is the status of requests that do not fit their schema.
    """

    def __init__(self, *, malformed: Literal[400, 422] = 422, **options: Any) -> None:  # noqa: ANN401
        route_class = GuardedRoute if malformed == GuardedRoute.malformed else _DistinctRoute
        super().__init__(route_class=route_class, **options)


def _shared_errors(
    rule: Rule, methods: set[str] | list[str], malformed: int
) -> dict[int | str, dict[str, Any]]:
    return {
        **errors.ANY,
        **errors.describe_malformed(malformed),
        **(errors.TOKEN_REQUIRED if isinstance(rule, Members) else {}),
        **({} if _BODILESS.issuperset(methods) else errors.BODY),
    }
