"""The API over HTTP, as the chat's terminals use it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx

from domain.errors import HoldfastError
from holdfast.errors import NotRunning

_PATIENCE = 15.0
_PASSING = frozenset({"unavailable", "too_many_requests"})


class Refused(HoldfastError):
    """The API says no, in its own sentence. `passes`: the same may succeed a little later."""

    def __init__(self, sentence: str, reason: str = "") -> None:
        super().__init__(sentence)
        self.passes = reason in _PASSING


class Rest:
    """`token` is asked for each call; None while there is none."""

    def __init__(self, url: str, token: Callable[[], str | None]) -> None:
        self.url = url
        self._token = token
        # It is on this machine, so no proxy stands between us.
        self._client = httpx.AsyncClient(base_url=url, timeout=_PATIENCE, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> Any:  # noqa: ANN401  JSON
        return await self._call("GET", path, None)

    async def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        return await self._call("POST", path, body or {})

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None) -> Any:  # noqa: ANN401
        """Raises Refused, and NotRunning when nobody answers."""
        token = self._token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.TransportError:
            raise NotRunning(
                f"No Holdfast answers at {self.url}. Start it with `make up` in another terminal."
            ) from None
        try:
            told = answer.json()
        except ValueError:
            told = {}
        if answer.is_success:
            return told
        raise Refused(_sentence(told, answer.status_code), told.get("code", ""))


async def require_server(url: str) -> None:
    """Raises NotRunning."""
    async with Rest(url, lambda: None) as rest:
        with suppress(Refused):
            await rest.get("/api/health")


def _sentence(told: Mapping[str, Any], status: int) -> str:
    detail = told.get("detail")
    if isinstance(detail, list):
        return "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in detail)
    return detail or f"The API answers {status}."
