"""Calling those who want to be told of what happens.

At least once: should we die between a call and its record, it is called again, by the same id.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beating import beating
from activities.webhook_payloads import payload
from channels import standard_webhooks
from channels.safe_http import Refused, Response, SafeClient, Unreachable
from domain.errands import ErrandKind
from domain.ids import webhook_event_id_text, webhook_id_text
from domain.webhooks import Subscription
from store import webhook_events
from store.database import Database
from store.webhook_events import Call, Outcome

log = structlog.get_logger(__name__)

_PATIENCE = 10.0
"""Seconds for a whole call."""
_MOST_READ = 64 * 1024
"""Bytes of an answer, of which only the status counts."""
_GONE = 410
Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class CallWebhook:
    """Safe to run twice: an event is claimed for each call, and an ended one is left alone."""

    def __init__(self, database: Database, client: SafeClient, clock: Clock = _now) -> None:
        self._database = database
        self._client = client
        self._clock = clock

    @activity.defn(name=ErrandKind.WEBHOOK)
    async def call_webhook(self, event_id: UUID) -> None:
        """Call a subscriber of one event, once; fails to be tried again until it is over."""
        async with beating():
            async with self._database.begin() as session:
                found = await webhook_events.begin_call(session, event_id, self._clock())
                # Here, so that the claim's time goes to nothing but the call.
                body = await payload(session, found.event) if isinstance(found, Call) else b""
            if isinstance(found, timedelta):
                raise _try_again("Somebody else is calling, or it is not time yet.", found)
            if found is not None:
                await self._record(found, await self._call(found, body))

    async def _call(self, call: Call, body: bytes) -> Outcome:
        began = time.monotonic()
        try:
            answer = await self._client.request(
                "POST",
                call.subscription.url,
                headers=self._headers(call, body),
                content=body,
                timeout=_PATIENCE,
                read_at_most=_MOST_READ,
            )
        except Refused as error:
            return Outcome(None, _milliseconds(began), str(error), fatal=True)
        except Unreachable as error:
            return Outcome(None, _milliseconds(began), str(error))
        return _outcome(answer, _milliseconds(began), self._clock())

    def _headers(self, call: Call, body: bytes) -> dict[str, str]:
        now = self._clock()
        event_id = webhook_event_id_text(call.event.id)
        return {
            "Content-Type": "application/json",
            standard_webhooks.ID: event_id,
            standard_webhooks.TIMESTAMP: str(int(now.timestamp())),
            standard_webhooks.SIGNATURE: " ".join(
                standard_webhooks.sign(secret, event_id, now, body)
                for secret in _secrets(call.subscription, now)
            ),
        }

    async def _record(self, call: Call, outcome: Outcome) -> None:
        async with self._database.begin() as session:
            recorded = await webhook_events.record(session, call.event.id, outcome, self._clock())
        if recorded.disabled is not None:
            log.error(
                "webhook_disabled",
                webhook=webhook_id_text(call.subscription.id),
                reason=recorded.disabled,
            )
        if recorded.again is not None:
            raise _try_again(outcome.error or "", recorded.again)


def _outcome(answer: Response, milliseconds: int, now: datetime) -> Outcome:
    status = answer.status_code
    if 200 <= status < 300:
        return Outcome(status, milliseconds)
    wish = _retry_after(answer.headers.get("retry-after", ""), now)
    error = f"The address answered {status}."
    return Outcome(status, milliseconds, error, fatal=status == _GONE, wish=wish)


def _retry_after(text: str, now: datetime) -> timedelta | None:
    """Seconds or an HTTP date, RFC 9110; None for anything else."""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text[:9]))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) - now


def _secrets(subscription: Subscription, now: datetime) -> list[str]:
    """The newest first."""
    until = subscription.old_secret_until
    old = subscription.old_secret if until is not None and now < until else None
    return [subscription.secret, *([old] if old else [])]


def _milliseconds(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _try_again(why: str, after: timedelta) -> ApplicationError:
    return ApplicationError(
        why,
        type="NotYet",
        next_retry_delay=after,
        # Expected, and written down with the event.
        category=ApplicationErrorCategory.BENIGN,
    )
