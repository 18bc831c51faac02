"""What a request may hold: bodies bounded and strictly JSON, addresses in clean UTF-8.

Python's own JSON parser takes NaN, lone surrogates, endless nesting and integers so long that
they cannot be printed; each of them would fail much later, as a fault of ours.
"""

import json
import math
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from domain.errors import PayloadTooLarge

MAX_BODY = 256 * 1024
"""Bytes."""


class StrictRequest(Request):
    def __init__(self, scope: Scope, receive: Receive, max_body: int = MAX_BODY) -> None:
        super().__init__(scope, _bounded(receive, max_body, _declared_length(scope)))

    async def json(self) -> JsonValue:
        """Parse the body. Raises JSONDecodeError, which is answered like any invalid input."""
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        parsed: JsonValue = self._json
        return parsed


def parse_json(text: bytes) -> JsonValue:
    """Parse RFC 8259 JSON and nothing looser. Raises JSONDecodeError.

    At most 200 levels deep, integers of at most 4,300 digits, all numbers finite.
    """
    try:
        value: JsonValue = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from None
    if not _finite(value):
        raise json.JSONDecodeError("number out of range", "", 0)
    return value


def check_address(scope: Scope) -> None:
    """Raise RequestValidationError for a NUL or broken UTF-8 in the path or the query."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    for place, raw in (("path", raw_path), ("query", scope["query_string"])):
        fault = _fault_in(raw)
        if fault is not None:
            raise RequestValidationError([{"loc": (place,), "msg": fault, "type": "encoding"}])


def _fault_in(raw: bytes) -> str | None:
    if raw.isascii() and b"%" not in raw:
        return None
    plain = unquote_to_bytes(raw)
    if b"\0" in plain:
        return "Must not contain NUL characters"
    try:
        plain.decode()
    except UnicodeDecodeError:
        return "Must be UTF-8, percent-encoded"
    return None


def _bounded(receive: Receive, limit: int, declared: int) -> Receive:
    """Pass the body on as long as it is at most `limit` bytes, and declared to be."""
    # FastAPI passes on this kind of exception alone while it reads a body.
    too_large = HTTPException(413, PayloadTooLarge.sentence)
    total = 0

    async def receive_within_limit() -> Message:
        nonlocal total
        if declared > limit:
            raise too_large
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise too_large
        return message

    return receive_within_limit


def _declared_length(scope: Scope) -> int:
    """The `Content-Length`; 0 without one, or with one that makes no sense."""
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else 0


def _finite(value: JsonValue) -> bool:
    """Tell whether all numbers are; `1e999` is valid JSON and becomes infinity."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, float) and not math.isfinite(value):
            return False
    return True
