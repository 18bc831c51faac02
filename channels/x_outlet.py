"""Direct messages by X.

https://docs.x.com/x-api/direct-messages/manage/integrate. X offers no way to ask what became of
an earlier attempt, and no key by which it would know one again: after a time-out its webhook's
echo tells, or nobody does.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
from pydantic import JsonValue
from pydantic_core import from_json

from channels.accounts import XAccount
from channels.outlet import Limit, NotNow, Paused, Uncertain, Undeliverable, cut
from channels.untrusted import Object, at, name, objects, short
from domain.deliveries import Outgoing, Piece

_LONGEST = 10_000
"""Characters of one message."""
_LIMITS = (Limit(15, timedelta(minutes=15)), Limit(1_440, timedelta(days=1)))
_LONGEST_ADDRESS = 30
_CONNECT_TIMEOUT = 10.0
_TIMEOUT = 30.0
"""Seconds, for the whole call."""
_LONGEST_ANSWER = 64 * 1024
_WINDOW = timedelta(minutes=15)
_LONGEST_WINDOW = timedelta(hours=25)
_RESETS = {
    "x-user-limit-24hour-remaining": "x-user-limit-24hour-reset",
    "x-app-limit-24hour-remaining": "x-app-limit-24hour-reset",
}
"""Limits that are told besides the endpoint's own."""
_OUR_FAULT_CODES = frozenset({"32", "64", "89", "135", "326"})
"""Of https://docs.x.com/x-api/fundamentals/response-codes-and-errors: the account is suspended or
locked, the token wrong."""
_OUR_FAULT_TYPES = ("client-forbidden", "unsupported-authentication", "oauth1-permissions")
"""How the `type` of a problem ends when the app may not do this at all."""
_PASSED_ON = frozenset({504, 524})
"""What gateways say when they have passed the call on and got no answer; 524 is Cloudflare's."""
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""What goes wrong before anything is written."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: JsonValue
    """None where it is no JSON."""


class XOutlet:
    """One account at X."""

    looks = False
    limits: Sequence[Limit] = _LIMITS

    def __init__(
        self,
        account: XAccount,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = _TIMEOUT,
    ) -> None:
        self.name = account.outlet
        self._account = account
        self._clock = clock
        self._timeout = timeout
        # So few go out that a connection kept open would mostly be one that X has just closed,
        # which leaves it uncertain whether the message was taken.
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT)),
            limits=httpx.Limits(max_keepalive_connections=0),
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    def pieces(self, outgoing: Outgoing) -> Sequence[Piece]:
        return cut(outgoing, _LONGEST)

    def external_id(self, outgoing: Outgoing, piece: Piece) -> None:
        """X gives them their ids."""

    async def send(self, outgoing: Outgoing, piece: Piece) -> str:
        if piece.files:
            raise Undeliverable(
                "files", "Files cannot be sent by X. Send the customer a link to the file."
            )
        answer = await self._post(_user(outgoing.address), {"text": piece.text})
        if not httpx.codes.is_success(answer.status):
            raise self._refusal(answer)
        return _event_id(answer.body)

    async def _post(self, to: str, body: dict[str, str]) -> _Answer:
        url = f"{self._account.api.rstrip('/')}/2/dm_conversations/with/{to}/messages"
        headers = {"Authorization": f"Bearer {self._account.token.get_secret_value()}"}
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", url, json=body, headers=headers) as response,
            ):
                return _Answer(response.status_code, response.headers, await _json_of(response))
        except _NEVER_LEFT:
            raise NotNow("X cannot be reached.") from None
        except (httpx.RequestError, TimeoutError):
            raise Uncertain("X did not answer; it may have taken the message.") from None

    def _refusal(self, answer: _Answer) -> NotNow | Paused | Uncertain | Undeliverable:
        status = answer.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return NotNow(
                "X takes no more messages of this account for a while.", self._wait(answer)
            )
        if status in _PASSED_ON:
            return Uncertain("X answers too late; it may have taken the message.")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            return NotNow(f"X does not take messages just now (HTTP {status}).")
        if status == HTTPStatus.UNAUTHORIZED:
            return Paused("X refuses the token. Renew X_ACCESS_TOKEN.")
        if status == HTTPStatus.PAYMENT_REQUIRED:
            return Paused("X wants to be paid before it takes more. Look at the app's plan.")
        if status == HTTPStatus.FORBIDDEN:
            return _forbidden(answer.body)
        if not isinstance(answer.body, dict):
            return Paused(f"What answers is not the API of X (HTTP {status}). Look at X_API_URL.")
        if status == HTTPStatus.NOT_FOUND:
            return Undeliverable("unknown_user", "X knows no such user any more.")
        return Undeliverable("refused", f"X refuses the message (HTTP {status}).")

    def _wait(self, answer: _Answer) -> timedelta:
        """Until the last of the limits that are reached is over."""
        reached = [reset for left, reset in _RESETS.items() if answer.headers.get(left) == "0"]
        ends = [answer.headers.get(name, "") for name in ("x-rate-limit-reset", *reached)]
        known = [int(each) for each in ends if each.isascii() and each.isdigit() and len(each) < 12]
        if not known:
            return _WINDOW
        wait = timedelta(seconds=max(known) - self._clock().timestamp())
        return min(max(wait, timedelta(seconds=1)), _LONGEST_WINDOW)


def _user(address: str) -> str:
    if not (address.isascii() and address.isdigit() and len(address) <= _LONGEST_ADDRESS):
        raise Undeliverable("address", "This is no user id of X.")
    return address


def _event_id(body: JsonValue) -> str:
    event_id = name(at(body, "data", "dm_event_id"))
    if event_id is None:
        raise Uncertain("X took the call, and did not say what became of the message.")
    return event_id


def _forbidden(body: JsonValue) -> Paused | Undeliverable:
    """X says 403 when the customer takes no messages of ours, and when we are shut out."""
    if any(map(_is_our_fault, objects([body]) + objects(at(body, "errors")))):
        return Paused("X has suspended or locked the account, or the app may not send messages.")
    return Undeliverable(
        "not_permitted",
        "X does not permit this message. Most often the customer takes messages only from accounts "
        "they follow, or has blocked this one.",
    )


def _is_our_fault(problem: Object) -> bool:
    said = " ".join(short(problem.get(key)) for key in ("title", "detail", "message")).lower()
    return (
        name(problem.get("code")) in _OUR_FAULT_CODES
        or short(problem.get("type")).endswith(_OUR_FAULT_TYPES)
        or ("your account" in said and ("suspended" in said or "locked" in said))
    )


async def _json_of(response: httpx.Response) -> JsonValue:
    """The body; None when it is no JSON, or far too long."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LONGEST_ANSWER:
            return None
    try:
        value: JsonValue = from_json(body)
    except ValueError:
        return None
    return value
