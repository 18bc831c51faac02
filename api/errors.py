"""The one place where failures become HTTP answers: always `{"detail": …}`, mostly with a `code`.

`answer` translates any exception, `describe` tells OpenAPI which ones an endpoint knows.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy import exc
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from domain import errors

log = structlog.get_logger(__name__)

_STATUS: dict[type[errors.HoldfastError], int] = {
    errors.InvalidRequest: 422,
    errors.NothingToUpdate: 400,
    errors.AgentNotNamed: 400,
    errors.NotAuthenticated: 401,
    errors.InsufficientPermissions: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.PayloadTooLarge: 413,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
}

_DATABASE_OUTAGES = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""Refused and broken connections, an exhausted pool, a lock not given in time."""

_PROGRAM_LIMITS = "54"
"""The class of PostgreSQL's errors that only a smaller request gets past."""

_RETRY_AFTER = {
    "headers": {
        "Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}},
    }
}
_MOST_FAULTS = 20
_LONGEST_PLACE = 100
"""An answer about a bad request stays small, however large the request was."""


class Problem(BaseModel):
    """Any failure: one sentence that says what to do."""

    detail: str
    code: str = Field("error", description="The same for programs; not every failure has one.")


class Fault(BaseModel):
    """One thing that is wrong with a request, and where; never what was sent there."""

    loc: list[str | int]
    msg: str
    type: str


class Malformed(BaseModel):
    """A request that does not fit: the faults, or a sentence when it fits but makes no sense."""

    detail: list[Fault] | str
    code: str = errors.InvalidRequest.code


class _Answer(JSONResponse):
    """Plain ASCII, so that no text whatsoever can fail to be encoded."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def answer(error: Exception, malformed: int = 422) -> JSONResponse:
    """Translate any exception; the unexpected ones are logged and become a bare 500.

    `malformed` is the status of a request that does not fit its schema.
    """
    match error:
        case errors.HoldfastError():
            return _known(error)
        case RequestValidationError():
            return _malformed(_faults(error.errors()), malformed)
        case json.JSONDecodeError():
            return _malformed([_json_fault(error.msg)], malformed)
        case HTTPException(status_code=413):
            return _known(errors.PayloadTooLarge())
        case HTTPException():
            return _Answer({"detail": error.detail}, error.status_code, headers=error.headers)
    if _is_too_long(error):
        too_long = errors.TooLongToKeep()
        return _Answer({"detail": str(too_long), "code": too_long.code}, malformed)
    if isinstance(error, _DATABASE_OUTAGES) or _lost_connection(error):
        log.warning("database_failed", exc_info=error)
        return _known(errors.DatabaseUnavailable())
    log.error("request_failed", exc_info=error)
    return _Answer({"detail": "Internal server error"}, 500)


def _status(error: type[errors.HoldfastError]) -> int:
    return next((_STATUS[kind] for kind in error.__mro__ if kind in _STATUS), 500)


def describe(*known: type[errors.HoldfastError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for the errors that an endpoint adds to those which all have."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for error in known:
        by_status[_status(error)].append(error.sentence)
    return {
        status: {
            "model": Malformed if status == _status(errors.InvalidRequest) else Problem,
            "description": " Or: ".join(sentences),
            **(_RETRY_AFTER if status in (429, 503) else {}),
        }
        for status, sentences in by_status.items()
    }


ANY: dict[int | str, dict[str, Any]] = {
    **describe(errors.TooManyRequests, errors.Unavailable),
    500: {"model": Problem, "description": "A fault of ours, logged under `X-Request-ID`."},
}
TOKEN_REQUIRED = describe(errors.NotAuthenticated, errors.InsufficientPermissions)
BODY = describe(errors.PayloadTooLarge)


def describe_malformed(status: int) -> dict[int | str, dict[str, Any]]:
    """The same for a request that does not fit its schema."""
    return {status: {"model": Malformed, "description": "What is wrong with it, and where."}}


def _known(error: errors.HoldfastError) -> JSONResponse:
    headers: dict[str, str] = {}
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.Unavailable | errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    told = {"detail": str(error), "code": error.code}
    return _Answer(told, _status(type(error)), headers=headers)


def _malformed(faults: list[dict[str, Any]], status: int) -> JSONResponse:
    return _Answer({"detail": faults, "code": errors.InvalidRequest.code}, status)


def _lost_connection(error: Exception) -> bool:
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated


def _is_too_long(error: Exception) -> bool:
    """Of several texts that are indexed together each may be short enough, and all too long."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return state is not None and state.startswith(_PROGRAM_LIMITS)


def _faults(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_fault(fault) for _, fault in zip(range(_MOST_FAULTS), found, strict=False)]


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    if fault["type"] == "json_invalid":
        return _json_fault(fault["ctx"]["error"])
    place = [part if isinstance(part, int) else part[:_LONGEST_PLACE] for part in fault["loc"]]
    return {"loc": place, "msg": fault["msg"], "type": fault["type"]}


def _json_fault(what: str) -> dict[str, Any]:
    return {"loc": ["body"], "msg": f"Invalid JSON: {what}", "type": "json_invalid"}
