"""The one place where failures become HTTP answers: `{"detail": …}`, mostly with a `code`.

`answer` translates any exception, `describe` tells OpenAPI which ones an endpoint knows. A family
of endpoints that has `Words` of its own says the same facts in them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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


class PlainProblem(BaseModel):
    """Any failure, a request that does not fit included: one sentence that says what to do."""

    error: str


@dataclass(frozen=True)
class Words:
    """How a family of endpoints says that something has failed."""

    malformed: int = 422
    """The status of a request that does not fit its schema."""
    plain: bool = False
    """`{"error": sentence}` whatever fails, for `{"detail": …, "code": …}`."""
    own: Mapping[type[errors.HoldfastError], tuple[int, str]] = field(default_factory=dict)
    """What this family answers in its own way: status and sentence."""

    def status(self, kind: type[errors.HoldfastError]) -> int:
        known = _STATUS | {error: status for error, (status, _) in self.own.items()}
        return next((known[each] for each in kind.__mro__ if each in known), 500)

    def sentence(self, kind: type[errors.HoldfastError], usual: str) -> str:
        return next((self.own[each][1] for each in kind.__mro__ if each in self.own), usual)

    def body(self, sentence: str, code: str | None = None) -> dict[str, Any]:
        if self.plain:
            return {"error": sentence}
        return {"detail": sentence} | ({"code": code} if code else {})

    def faults(self, found: list[dict[str, Any]]) -> dict[str, Any]:
        """The body for a request that does not fit."""
        if self.plain:
            return {"error": "; ".join(map(_in_words, found))}
        return {"detail": found, "code": errors.InvalidRequest.code}


USUAL = Words()


class _Answer(JSONResponse):
    """Plain ASCII, so that no text whatsoever can fail to be encoded."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def answer(error: Exception, words: Words = USUAL) -> JSONResponse:
    """Translate any exception; the unexpected ones are logged and become a bare 500."""
    match error:
        case errors.HoldfastError():
            return _known(error, words)
        case RequestValidationError():
            return _malformed(_faults(error.errors()), words)
        case json.JSONDecodeError():
            return _malformed([_json_fault(error.msg)], words)
        case HTTPException(status_code=413):
            return _known(errors.PayloadTooLarge(), words)
        case HTTPException():
            return _Answer(words.body(error.detail), error.status_code, headers=error.headers)
    if _is_too_long(error):
        too_long = errors.TooLongToKeep()
        return _Answer(words.body(str(too_long), too_long.code), words.malformed)
    if isinstance(error, _DATABASE_OUTAGES) or _lost_connection(error):
        log.warning("database_failed", exc_info=error)
        return _known(errors.DatabaseUnavailable(), words)
    log.error("request_failed", exc_info=error)
    return _Answer(words.body("Internal server error"), 500)


def describe(
    *known: type[errors.HoldfastError], words: Words = USUAL
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for the errors that an endpoint adds to those which all have."""
    by_status: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for error in known:
        by_status[words.status(error)][words.sentence(error, error.sentence)] = None
    return {
        status: {
            "model": _model(status, words),
            "description": " Or: ".join(sentences),
            **(_RETRY_AFTER if status in (429, 503) else {}),
        }
        for status, sentences in by_status.items()
    }


def describe_shared(
    words: Words, *, token_required: bool, takes_body: bool
) -> dict[int | str, dict[str, Any]]:
    """The same for the errors that all endpoints of a kind have."""
    return {
        **describe(errors.TooManyRequests, errors.Unavailable, words=words),
        500: {
            "model": PlainProblem if words.plain else Problem,
            "description": "A fault of ours, logged under `X-Request-ID`.",
        },
        words.malformed: {
            "model": PlainProblem if words.plain else Malformed,
            "description": "What is wrong with it, and where.",
        },
        **(describe(*_OF_TOKENS, words=words) if token_required else {}),
        **(describe(errors.PayloadTooLarge, words=words) if takes_body else {}),
    }


_OF_TOKENS = (errors.TokenMissing, errors.NotAuthenticated, errors.InsufficientPermissions)


def _model(status: int, words: Words) -> type[BaseModel]:
    if words.plain:
        return PlainProblem
    return Malformed if status == words.status(errors.InvalidRequest) else Problem


def _known(error: errors.HoldfastError, words: Words) -> JSONResponse:
    status = words.status(type(error))
    headers: dict[str, str] = {}
    if status == _STATUS[errors.NotAuthenticated]:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.Unavailable | errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    told = words.body(words.sentence(type(error), str(error)), error.code)
    return _Answer(told, status, headers=headers)


def _malformed(faults: list[dict[str, Any]], words: Words) -> JSONResponse:
    return _Answer(words.faults(faults), words.malformed)


def _in_words(fault: Mapping[str, Any]) -> str:
    """A fault as a sentence: `receiverId: Field required`."""
    place = ".".join(str(part) for part in fault["loc"][1:])
    what = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {what}" if place else what


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
