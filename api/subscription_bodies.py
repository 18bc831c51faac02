"""Subscriptions to outgoing webhooks, as clients send and see them."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.ids import webhook_event_id_text, webhook_id_text
from domain.text import ShortText, UrlText
from domain.webhooks import EventPattern, EventState, Subscription, WebhookEvent


def _once_each(events: list[str]) -> list[str]:
    return list(dict.fromkeys(events))


Events = Annotated[
    list[EventPattern], Field(min_length=1, max_length=50), AfterValidator(_once_each)
]


class CreateSubscription(BaseModel):
    url: UrlText
    events: Events
    description: ShortText = ""


class UpdateSubscription(BaseModel):
    """What is left out, or null, stays as it is."""

    url: UrlText | None = None
    events: Events | None = None
    description: ShortText | None = None
    active: bool | None = Field(
        None, description="True: sent to again, also where it was disabled. False: pause it."
    )


class SubscriptionView(BaseModel):
    model_config = ConfigDict(title="WebhookSubscription")

    id: str
    url: str
    events: list[str]
    description: str
    active: bool
    disabled_reason: str | None = Field(description="Why it was disabled, when we did that.")
    failing_since: datetime | None = Field(description="Since when no call was taken.")
    old_secret_until: datetime | None = Field(
        description="Until then, calls are signed with the secret before the last rotation too."
    )
    created_by: str
    created_at: datetime


class NewSecretView(SubscriptionView):
    model_config = ConfigDict(title="WebhookSubscriptionWithSecret")

    secret: str = Field(description="`whsec_…`, with which calls are signed. Shown only now.")


class SubscriptionList(BaseModel):
    subscriptions: list[SubscriptionView] = Field(description="The newest first.")


class AttemptView(BaseModel):
    number: int
    at: datetime
    status: int | None = Field(description="The HTTP status, where there was an answer.")
    error: str | None
    milliseconds: int


class EventView(BaseModel):
    model_config = ConfigDict(title="WebhookEvent")

    id: str = Field(description="`evt_…`: the `webhook-id` of each of its calls.")
    type: str
    state: EventState
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    attempts: list[AttemptView]


class EventPage(BaseModel):
    events: list[EventView] = Field(description="The newest first.")
    total_count: int
    page: int
    page_size: int


def subscription_view(found: Subscription) -> SubscriptionView:
    return SubscriptionView(
        id=webhook_id_text(found.id),
        url=found.url,
        events=found.events,
        description=found.description,
        active=found.active,
        disabled_reason=found.disabled_reason,
        failing_since=found.failing_since,
        old_secret_until=found.old_secret_until,
        created_by=found.created_by,
        created_at=found.created_at,
    )


def new_secret_view(found: Subscription) -> NewSecretView:
    return NewSecretView(**subscription_view(found).model_dump(), secret=found.secret)


def event_view(event: WebhookEvent) -> EventView:
    return EventView(
        id=webhook_event_id_text(event.id),
        type=event.kind,
        state=event.state,
        next_attempt_at=event.next_at,
        created_at=event.created_at,
        finished_at=event.finished_at,
        attempts=[
            AttemptView(
                number=each.number,
                at=each.at,
                status=each.status,
                error=each.error,
                milliseconds=each.milliseconds,
            )
            for each in event.attempts
        ],
    )
