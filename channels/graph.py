"""Calls to Meta's Graph API, by which WhatsApp and Messenger are answered.

The API knows no idempotency keys: a call that was written and not answered may have been taken, so
whoever makes it is told apart whether it was written (Uncertain) or cannot have been (NotNow).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
from pydantic import JsonValue, SecretStr
from pydantic_core import from_json, to_json

from channels.graph_errors import Book
from channels.multipart import Form
from channels.outlet import NotNow, Paused, Uncertain, Undeliverable
from channels.untrusted import Object

_TIMEOUT = httpx.Timeout(20, connect=5, pool=5)
"""Seconds between two signs of life."""
_ALL_TOGETHER = 60.0
"""Seconds for a call without a file; each byte may be in time and the whole still never end."""
_WITH_FILE = 600.0
_LONGEST_ANSWER = 256 * 1024
_LONGEST_PAUSE = 3_600
_AWAY = "Meta's Graph API is not reachable."
_STRANGE = (
    "What answers is not Meta's Graph API (HTTP status {}). Look at the setting GRAPH_API_URL."
)
_NEVER_WRITTEN = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: JsonValue
    """None where it is no JSON."""
    retry_after: timedelta | None

    @property
    def error(self) -> Object | None:
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error if isinstance(error, dict) else None


def new_client(timeout: httpx.Timeout = _TIMEOUT) -> httpx.AsyncClient:
    """A client for these calls, to be closed by whoever asks for it."""
    return httpx.AsyncClient(timeout=timeout)


class Graph:
    """The API for one account. The token goes into a header, never into an address; redirects,
    which would carry it elsewhere, are not followed."""

    def __init__(self, client: httpx.AsyncClient, api: str, token: SecretStr, book: Book) -> None:
        self._client = client
        self._api = api.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {token.get_secret_value()}"}
        self._book = book

    async def get(self, path: str) -> Object:
        """Raises NotNow, Paused and Undeliverable."""
        return await self._repeatable(self._request("GET", path))

    async def post(self, path: str, body: object, attempts: int = 1) -> Object:
        """`attempts`: how often it was tried, with this time. Raises as an outlet's `send`."""
        request = self._request("POST", path, to_json(body), {"Content-Type": "application/json"})
        return await self._call(request, attempts)

    async def post_form(self, path: str, form: Form, attempts: int = 1) -> Object:
        """See `post`."""
        try:
            return await self._call(self._with_form(path, form), attempts, _WITH_FILE)
        except Uncertain:
            if form.complete:
                raise
            raise NotNow(_AWAY) from None

    async def upload(self, path: str, form: Form) -> Object:
        """What does no harm when it is done twice. Raises NotNow, Paused and Undeliverable."""
        return await self._repeatable(self._with_form(path, form))

    def _with_form(self, path: str, form: Form) -> httpx.Request:
        return self._request("POST", path, form.chunks(), form.headers)

    def _request(
        self,
        method: str,
        path: str,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        return self._client.build_request(
            method,
            f"{self._api}/{path}",
            content=content,
            headers={**(headers or {}), **self._authorization},
        )

    async def _repeatable(self, request: httpx.Request) -> Object:
        try:
            return await self._call(request, attempts=1, within=_WITH_FILE)
        except Uncertain as error:
            raise NotNow(str(error)) from None

    async def _call(
        self, request: httpx.Request, attempts: int, within: float = _ALL_TOGETHER
    ) -> Object:
        async with _told_apart(within):
            answer = await self._exchange(request)
        if answer.error is not None:
            raise self._book.failure(answer.status, answer.error, answer.retry_after, attempts)
        if not 200 <= answer.status < 300:
            raise _failure_without_words(answer)
        if not isinstance(answer.body, dict):
            raise Uncertain
        return answer.body

    async def _exchange(self, request: httpx.Request) -> _Answer:
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = await _beginning(response)
        finally:
            await response.aclose()
        return _Answer(response.status_code, _json(body), _retry_after(response))


@asynccontextmanager
async def _told_apart(within: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within):
            yield
    except _NEVER_WRITTEN:
        raise NotNow(_AWAY) from None
    except (httpx.RequestError, TimeoutError):
        raise Uncertain from None


def _failure_without_words(answer: _Answer) -> NotNow | Paused | Uncertain | Undeliverable:
    """Something between us and the API has answered, or the API is too far down to say more."""
    if answer.status == httpx.codes.GATEWAY_TIMEOUT:
        # By its own words it has passed the call on.
        return Uncertain()
    if answer.status >= 500 or answer.status == httpx.codes.TOO_MANY_REQUESTS:
        return NotNow(retry_after=answer.retry_after)
    if answer.status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return Undeliverable("too_large", "The message is larger than the channel takes.")
    return Paused(_STRANGE.format(answer.status))


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LONGEST_ANSWER:
            break
    return body


def _json(body: bytes) -> JsonValue:
    try:
        value: JsonValue = from_json(body)
    except ValueError:
        return None
    return value


def _retry_after(response: httpx.Response) -> timedelta | None:
    said = response.headers.get("Retry-After", "")
    if len(said) > 9 or not (said.isascii() and said.isdigit()):
        return None
    return timedelta(seconds=min(int(said), _LONGEST_PAUSE)) or None
