"""What subscribers of webhooks are told of, and what has become of it.

`store.threads.append` writes an event for each subscription that wants to know of an entry, with
its errand, in the transaction of the entry itself. A transaction locks the subscription first and
its event last.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import webhooks as domain
from domain.errands import ErrandKind
from domain.errors import WebhookEventIsPending, WebhookEventNotFound, WebhookIsDisabled
from domain.ids import new_id
from domain.webhooks import PING, Attempt, EventState, Subscription, again_after
from store import errands, webhooks
from store.webhook_tables import WebhookAttempt, WebhookEvent, WebhookSubscription

CALL_LASTS = timedelta(seconds=20)
"""One that has not come back by then has died with its process."""
_CALLS_AT_ONCE = 8
"""Of one subscriber, so that a slow one leaves time for the others."""
_CALLS_WHILE_FAILING = 2
_SOON = timedelta(seconds=2)
_LATER = timedelta(minutes=5)
_KEPT_FOR = timedelta(days=7)
"""After an event has come to its end."""
_NO_ANSWER = "It took nothing for three days."


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be called now, and nobody else calls."""

    event: domain.WebhookEvent
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one call. `error` is None for a success; `fatal` when calling again makes no sense."""

    status: int | None
    milliseconds: int
    error: str | None = None
    fatal: bool = False
    wish: timedelta | None = None
    """How long the subscriber wants to be left alone."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """`again` is None when the event has come to its end."""

    again: timedelta | None = None
    disabled: str | None = None
    """Why the subscription was just disabled."""


async def begin_call(
    session: AsyncSession, event_id: UUID, now: datetime
) -> Call | timedelta | None:
    """Claim an event for one call; or how long to wait before asking again; or None when there is
    nothing to do, now or later."""
    found = await _locked(session, event_id)
    if found is None:
        await errands.end(session, ErrandKind.WEBHOOK, event_id)
        return None
    subscription, event = found
    if not subscription.active:
        await _finish(session, event, EventState.FAILED, now)
        return None
    wait = max(event.calling_until or now, event.next_at or now) - now
    if wait > timedelta(0):
        return wait
    calls = select(func.count()).where(
        WebhookEvent.subscription_id == subscription.id, WebhookEvent.calling_until > now
    )
    failing = subscription.failing_since is not None
    if (await session.scalar(calls) or 0) >= (_CALLS_WHILE_FAILING if failing else _CALLS_AT_ONCE):
        # The longer it has waited, the longer it waits: thousands that asked every two seconds
        # would do nothing but ask.
        return _LATER if failing else min(max(now - event.created_at, _SOON), _LATER)
    event.calling_until = now + CALL_LASTS
    return Call(_event_of(event), webhooks.subscription_of(subscription))


async def record(
    session: AsyncSession, event_id: UUID, outcome: Outcome, now: datetime
) -> Recorded:
    """Write down what came of a call. The errand ends with the event."""
    found = await _locked(session, event_id)
    if found is None:
        return Recorded()
    subscription, event = found
    _note(session, event, outcome, now)
    if outcome.error is None:
        subscription.failing_since = None
        await _finish(session, event, EventState.DELIVERED, now)
        return Recorded()
    subscription.failing_since = subscription.failing_since or now
    if outcome.fatal:
        return await _disable(session, subscription, outcome.error, now)
    again = again_after(event.tries, outcome.wish)
    if again is not None:
        event.next_at = now + again
        return Recorded(again=again)
    await _finish(session, event, EventState.FAILED, now)
    if subscription.failing_since <= await _first_try(session, event):
        return await _disable(session, subscription, _NO_ANSWER, now)
    return Recorded()


async def ping(session: AsyncSession, subscription_id: UUID) -> domain.WebhookEvent:
    """Raises WebhookNotFound and WebhookIsDisabled."""
    subscription = await webhooks.lock(session, subscription_id)
    if not subscription.active:
        raise WebhookIsDisabled
    event = WebhookEvent(
        id=new_id(),
        subscription_id=subscription_id,
        kind=PING,
        state=EventState.PENDING,
        attempts=0,
        tries=0,
        created_at=(await session.execute(select(func.clock_timestamp()))).scalar_one(),
    )
    session.add(event)
    await session.flush()
    await errands.add(session, ErrandKind.WEBHOOK, event.id)
    return _event_of(event)


async def redeliver(
    session: AsyncSession, subscription_id: UUID, event_id: UUID
) -> domain.WebhookEvent:
    """Send an event again that has come to its end. Raises WebhookNotFound, WebhookIsDisabled,
    WebhookEventNotFound and WebhookEventIsPending."""
    subscription = await webhooks.lock(session, subscription_id)
    event = await session.get(WebhookEvent, event_id, with_for_update={"key_share": True})
    if event is None or event.subscription_id != subscription_id:
        raise WebhookEventNotFound
    if not subscription.active:
        raise WebhookIsDisabled
    if event.state == EventState.PENDING:
        raise WebhookEventIsPending
    event.state, event.tries = EventState.PENDING, 0
    event.finished_at = event.next_at = None
    await session.flush()
    await errands.add(session, ErrandKind.WEBHOOK, event_id)
    attempts = await _attempts(session, [event_id])
    return _event_of(event, attempts[event_id])


async def page(
    session: AsyncSession,
    subscription_id: UUID,
    state: EventState | None,
    *,
    offset: int,
    limit: int,
) -> tuple[list[domain.WebhookEvent], int]:
    """Events with their attempts, the newest first; and how many there are in all.

    Raises WebhookNotFound.
    """
    await webhooks.get(session, subscription_id)
    wanted = [WebhookEvent.subscription_id == subscription_id]
    if state is not None:
        wanted.append(WebhookEvent.state == state)
    total = await session.scalar(select(func.count()).select_from(WebhookEvent).where(*wanted))
    newest = (WebhookEvent.created_at.desc(), WebhookEvent.id)
    query = select(WebhookEvent).where(*wanted).order_by(*newest).offset(offset).limit(limit)
    rows = (await session.scalars(query)).all()
    attempts = await _attempts(session, [row.id for row in rows])
    return [_event_of(row, attempts[row.id]) for row in rows], total or 0


async def forget_old(session: AsyncSession) -> bool:
    """Forget some events that nobody will ask for again; True when there may be more."""
    return bool(await session.scalar(_FORGET))


async def _locked(
    session: AsyncSession, event_id: UUID
) -> tuple[WebhookSubscription, WebhookEvent] | None:
    """A pending event and its subscription."""
    of_event = select(WebhookEvent.subscription_id).where(WebhookEvent.id == event_id)
    query = select(WebhookSubscription).where(WebhookSubscription.id == of_event.scalar_subquery())
    subscription = await session.scalar(query.with_for_update(key_share=True))
    event = await session.get(WebhookEvent, event_id, with_for_update={"key_share": True})
    if subscription is None or event is None or event.state != EventState.PENDING:
        return None
    return subscription, event


def _note(session: AsyncSession, event: WebhookEvent, outcome: Outcome, now: datetime) -> None:
    event.attempts += 1
    event.tries += 1
    event.calling_until = None
    session.add(
        WebhookAttempt(
            event_id=event.id,
            number=event.attempts,
            at=now,
            status=outcome.status,
            error=outcome.error,
            milliseconds=outcome.milliseconds,
        )
    )


async def _finish(
    session: AsyncSession, event: WebhookEvent, state: EventState, now: datetime
) -> None:
    event.state = state
    event.finished_at = now
    event.calling_until = event.next_at = None
    await session.flush()
    await errands.end(session, ErrandKind.WEBHOOK, event.id)


async def _disable(
    session: AsyncSession, subscription: WebhookSubscription, reason: str, now: datetime
) -> Recorded:
    subscription.active = False
    subscription.disabled_reason = reason
    await session.flush()
    await session.execute(_FAIL_ALL, {"id": subscription.id, "now": now})
    return Recorded(disabled=reason)


async def _first_try(session: AsyncSession, event: WebhookEvent) -> datetime:
    """Since the event was last put back to pending."""
    await session.flush()
    query = select(WebhookAttempt.at).where(
        WebhookAttempt.event_id == event.id,
        WebhookAttempt.number == event.attempts - event.tries + 1,
    )
    return (await session.execute(query)).scalar_one()


async def _attempts(session: AsyncSession, events: list[UUID]) -> dict[UUID, list[Attempt]]:
    query = select(WebhookAttempt).where(WebhookAttempt.event_id.in_(events))
    found: dict[UUID, list[Attempt]] = {event_id: [] for event_id in events}
    for row in await session.scalars(query.order_by(WebhookAttempt.number)):
        found[row.event_id].append(
            Attempt(row.number, row.at, row.status, row.error, row.milliseconds)
        )
    return found


def _event_of(row: WebhookEvent, attempts: list[Attempt] | None = None) -> domain.WebhookEvent:
    return domain.WebhookEvent(
        id=row.id,
        kind=row.kind,
        thread_id=row.thread_id,
        seq=row.seq,
        state=EventState(row.state),
        next_at=row.next_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
        attempts=attempts or [],
    )


# As many as take a second or two; should there be more, each fails when its turn comes.
_FAIL_ALL = text(
    """
    WITH failed AS (
        UPDATE webhook_events SET
            state = 'failed', finished_at = :now, next_at = NULL, calling_until = NULL
        WHERE id IN (
            SELECT id FROM webhook_events
            WHERE subscription_id = :id AND state = 'pending' LIMIT 50000
        )
        RETURNING id
    )
    DELETE FROM errands USING failed WHERE errands.kind = :kind AND errands.id = failed.id
    """
).bindparams(kind=ErrandKind.WEBHOOK)
_FORGET = text(
    """
    WITH old AS MATERIALIZED (
        (SELECT id FROM webhook_events WHERE finished_at < now() - :kept_for LIMIT 1000)
        UNION ALL
        SELECT event.id FROM webhook_subscriptions AS subscription, LATERAL (
            SELECT id FROM webhook_events WHERE subscription_id = subscription.id LIMIT 1000
        ) AS event
        WHERE subscription.deleted_at IS NOT NULL
    ), gone AS (
        DELETE FROM webhook_events USING old WHERE webhook_events.id = old.id RETURNING 1
    )
    SELECT count(*) FROM gone
    """
).bindparams(kept_for=_KEPT_FOR)
