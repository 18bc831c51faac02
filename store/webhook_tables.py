"""The tables of outgoing webhooks; see `store.tables`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from store.tables import Table


class WebhookSubscription(Table):
    """Somebody who wants to be told of what happens."""

    __tablename__ = "webhook_subscriptions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    events: Mapped[list[str]]
    """Kinds, or `message.*`, or `*`."""
    description: Mapped[str]
    secret: Mapped[str]
    old_secret: Mapped[str | None]
    """Still signs too, until `old_secret_until`."""
    old_secret_until: Mapped[datetime | None]
    active: Mapped[bool]
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """Gone for everybody; housekeeping removes the row when its events are gone."""


class WebhookEvent(Table):
    """An entry of a log that a subscription is to be told of. What is told is read from the log
    when it is sent: no text stands here."""

    __tablename__ = "webhook_events"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_subscriptions.id"))
    kind: Mapped[str]
    thread_id: Mapped[UUID | None]
    seq: Mapped[int | None]
    """None, like the thread, of a `ping`."""
    state: Mapped[str]
    attempts: Mapped[int]
    tries: Mapped[int]
    """Attempts since it was last put back to pending."""
    calling_until: Mapped[datetime | None]
    """Somebody calls the subscriber just now, or died doing so."""
    next_at: Mapped[datetime | None]
    """When it is tried again, at the earliest."""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class WebhookAttempt(Table):
    """One call of a subscriber."""

    __tablename__ = "webhook_attempts"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_events.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    status: Mapped[int | None]
    error: Mapped[str | None]
    milliseconds: Mapped[int]
