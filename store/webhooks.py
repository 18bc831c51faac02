"""Subscriptions to outgoing webhooks. What each is told of: `store.webhook_events`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import TooManyWebhooks, WebhookNotFound
from domain.ids import new_id
from domain.webhooks import MOST_SUBSCRIPTIONS, OLD_SECRET_SIGNS, Subscription
from store.webhook_tables import WebhookSubscription

_KEPT = WebhookSubscription.deleted_at.is_(None)


@dataclass(frozen=True, slots=True)
class Changes:
    """None stays as it is."""

    url: str | None = None
    events: list[str] | None = None
    description: str | None = None
    active: bool | None = None


async def create(
    session: AsyncSession, *, url: str, events: list[str], description: str, secret: str, by: str
) -> Subscription:
    """Raises TooManyWebhooks."""
    await session.execute(_ONE_BY_ONE)
    count = await session.scalar(select(func.count()).select_from(WebhookSubscription).where(_KEPT))
    if (count or 0) >= MOST_SUBSCRIPTIONS:
        raise TooManyWebhooks
    row = WebhookSubscription(
        id=new_id(),
        url=url,
        events=events,
        description=description,
        secret=secret,
        active=True,
        created_by=by,
        created_at=await _now(session),
    )
    session.add(row)
    await session.flush()
    return subscription_of(row)


async def list_all(session: AsyncSession) -> list[Subscription]:
    """The newest first."""
    newest = (WebhookSubscription.created_at.desc(), WebhookSubscription.id)
    rows = await session.scalars(select(WebhookSubscription).where(_KEPT).order_by(*newest))
    return [subscription_of(row) for row in rows]


async def get(session: AsyncSession, subscription_id: UUID) -> Subscription:
    """Raises WebhookNotFound."""
    query = select(WebhookSubscription).where(WebhookSubscription.id == subscription_id, _KEPT)
    row = await session.scalar(query)
    if row is None:
        raise WebhookNotFound
    return subscription_of(row)


async def update(session: AsyncSession, subscription_id: UUID, changes: Changes) -> Subscription:
    """One that is made active again starts with a clean record. Raises WebhookNotFound."""
    row = await lock(session, subscription_id)
    row.url = row.url if changes.url is None else changes.url
    row.events = row.events if changes.events is None else changes.events
    row.description = row.description if changes.description is None else changes.description
    if changes.active is not None and changes.active != row.active:
        row.active = changes.active
        row.disabled_reason = row.failing_since = None
    await session.flush()
    return subscription_of(row)


async def rotate_secret(session: AsyncSession, subscription_id: UUID, secret: str) -> Subscription:
    """What is sent is signed with the old secret too for a day. Raises WebhookNotFound."""
    row = await lock(session, subscription_id)
    row.old_secret, row.secret = row.secret, secret
    row.old_secret_until = await _now(session) + OLD_SECRET_SIGNS
    await session.flush()
    return subscription_of(row)


async def delete(session: AsyncSession, subscription_id: UUID) -> None:
    """Nothing is sent from now on. Raises WebhookNotFound."""
    row = await lock(session, subscription_id)
    row.active = False
    row.deleted_at = await _now(session)
    row.secret = row.url = ""
    row.old_secret = None


async def lock(session: AsyncSession, subscription_id: UUID) -> WebhookSubscription:
    """Raises WebhookNotFound. Appending to logs goes on."""
    query = select(WebhookSubscription).where(WebhookSubscription.id == subscription_id, _KEPT)
    row = await session.scalar(query.with_for_update(key_share=True))
    if row is None:
        raise WebhookNotFound
    return row


async def forget_deleted(session: AsyncSession) -> None:
    """Those whose events are gone, too; see `store.webhook_events.forget_old`."""
    await session.execute(_FORGET)


def subscription_of(row: WebhookSubscription) -> Subscription:
    return Subscription(
        id=row.id,
        url=row.url,
        events=row.events,
        description=row.description,
        active=row.active,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        old_secret_until=row.old_secret_until,
        created_by=row.created_by,
        created_at=row.created_at,
        secret=row.secret,
        old_secret=row.old_secret,
    )


async def _now(session: AsyncSession) -> datetime:
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


_ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(hashtextextended('webhook_subscriptions', 0))")
# Whoever read one as active before it was deleted has ended long since.
_FORGET = text(
    """
    DELETE FROM webhook_subscriptions AS subscription
    WHERE deleted_at < now() - interval '1 hour' AND NOT EXISTS (
        SELECT FROM webhook_events WHERE subscription_id = subscription.id
    )
    """
)
