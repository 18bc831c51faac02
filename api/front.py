"""What happens to every request, whichever route it finds or does not find."""

from uuid import uuid4

from limits import RateLimitItemPerMinute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.auth import Authenticator, bearer_token
from api.call import Call, remember_call
from api.limits import RateLimits
from domain.principals import Principal

_ON_EVERY_ANSWER = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_CACHE_CONTROL = b"cache-control"


class Front:
    """Names the request, finds out who calls and how often, and signs every answer.

    It refuses nothing itself: routes do (`api.routes`), so that a refusal passes CORS and is
    worded like any other. Plain ASGI, because BaseHTTPMiddleware costs a task for each request.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, limits: RateLimits, per_minute: int
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._limits = limits
        self._limit = RateLimitItemPerMinute(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = await self._receive_call(scope)
        remember_call(scope, call)
        headers = _headers(call)

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with(headers, message.get("headers", ()))
            await send(message)

        with bound_contextvars(request_id=call.id):
            await self._app(scope, receive, signed)

    async def _receive_call(self, scope: Scope) -> Call:
        identity = await self._identify(scope)
        address = str(scope["client"][0]) if scope.get("client") else "unknown"
        who = identity.key if isinstance(identity, Principal) else f"address:{address}"
        return Call(uuid4().hex, address, identity, await self._limits.count(self._limit, who))

    async def _identify(self, scope: Scope) -> Principal | Exception | None:
        token = bearer_token(Headers(scope=scope).get("authorization", ""))
        if not token:
            return None
        try:
            return await self._authenticator.identify(token)
        except Exception as error:  # noqa: BLE001  a route that needs to know who calls raises it
            return error


def _headers(call: Call) -> list[tuple[bytes, bytes]]:
    return [*_ON_EVERY_ANSWER, (b"x-request-id", call.id.encode()), *call.standing.headers()]


def _with(
    ours: list[tuple[bytes, bytes]], theirs: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Answers hold what customers wrote, so nothing is cached unless a route says otherwise."""
    if any(name == _CACHE_CONTROL for name, _ in theirs):
        return [*theirs, *ours]
    return [*theirs, *ours, (_CACHE_CONTROL, b"no-store")]
