"""Outgoing webhooks: who is called when something happens, and what has come of it."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Response

from api.access import Caller, allow
from api.errors import describe
from api.idempotency import Once, json_answer
from api.paging import DEFAULT_PAGE_SIZE, Page, PageSize
from api.routes import Routes
from api.services import Services, ServicesDep
from api.subscription_bodies import (
    CreateSubscription,
    EventPage,
    EventView,
    NewSecretView,
    SubscriptionList,
    SubscriptionView,
    UpdateSubscription,
    event_view,
    new_secret_view,
    subscription_view,
)
from channels.safe_addresses import is_address, public_address
from channels.safe_http import Refused, checked_url, is_allowed
from channels.standard_webhooks import new_secret
from domain.errors import (
    IdempotencyKeyReused,
    NothingToUpdate,
    TooManyWebhooks,
    UnsafeWebhook,
    WebhookEventIsPending,
    WebhookEventNotFound,
    WebhookIsDisabled,
    WebhookNotFound,
)
from domain.ids import parse_webhook_event_id, parse_webhook_id
from domain.principals import Role, Scope
from domain.webhooks import EventState
from store import webhook_events, webhooks
from store.webhooks import Changes

router = Routes(
    prefix="/api/subscriptions",
    tags=["Webhooks: outgoing"],
    dependencies=[allow(Role.ADMIN, Scope.ADMIN)],
)


async def _ref(subscription_id: Annotated[str, Path(description="`whk_…`")]) -> UUID:
    return parse_webhook_id(subscription_id)


async def _event_ref(event_id: Annotated[str, Path(description="`evt_…`")]) -> UUID:
    return parse_webhook_event_id(event_id)


Ref = Annotated[UUID, Depends(_ref)]
EventRef = Annotated[UUID, Depends(_event_ref)]


@router.post(
    "",
    status_code=201,
    response_model=NewSecretView,
    responses=describe(TooManyWebhooks, IdempotencyKeyReused, UnsafeWebhook),
)
async def create_subscription(
    body: CreateSubscription, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Be called when something happens. The secret that signs the calls is shown only now."""
    _require_callable(body.url, services)
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        made = await webhooks.create(
            session,
            url=body.url,
            events=body.events,
            description=body.description,
            secret=new_secret(),
            by=caller.key,
        )
        return await once.answer(session, 201, new_secret_view(made))


@router.get("", response_model=SubscriptionList)
async def list_subscriptions(services: ServicesDep) -> Response:
    async with services.database.begin() as session:
        found = await webhooks.list_all(session)
    return json_answer(SubscriptionList(subscriptions=[subscription_view(each) for each in found]))


@router.get(
    "/{subscription_id}", response_model=SubscriptionView, responses=describe(WebhookNotFound)
)
async def get_subscription(ref: Ref, services: ServicesDep) -> Response:
    async with services.database.begin() as session:
        found = await webhooks.get(session, ref)
    return json_answer(subscription_view(found))


@router.patch(
    "/{subscription_id}",
    response_model=SubscriptionView,
    responses=describe(WebhookNotFound, NothingToUpdate, UnsafeWebhook),
)
async def update_subscription(
    ref: Ref, body: UpdateSubscription, services: ServicesDep
) -> Response:
    """Change it, pause it, or have it called again after it was disabled."""
    changes = Changes(**body.model_dump())
    if changes == Changes():
        raise NothingToUpdate
    if body.url is not None:
        _require_callable(body.url, services)
    async with services.database.begin() as session:
        changed = await webhooks.update(session, ref, changes)
    return json_answer(subscription_view(changed))


@router.delete("/{subscription_id}", status_code=204, responses=describe(WebhookNotFound))
async def delete_subscription(ref: Ref, services: ServicesDep) -> None:
    """Never call it again. What was not delivered is not."""
    async with services.database.begin() as session:
        await webhooks.delete(session, ref)


@router.post(
    "/{subscription_id}/rotate-secret",
    response_model=NewSecretView,
    responses=describe(WebhookNotFound, IdempotencyKeyReused),
)
async def rotate_secret(ref: Ref, services: ServicesDep, once: Once) -> Response:
    """Get a new secret. For 24 hours calls are signed with the old one too."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        rotated = await webhooks.rotate_secret(session, ref, new_secret())
        return await once.answer(session, 200, new_secret_view(rotated))


@router.post(
    "/{subscription_id}/test",
    status_code=202,
    response_model=EventView,
    responses=describe(WebhookNotFound, WebhookIsDisabled, IdempotencyKeyReused),
)
async def send_test_event(ref: Ref, services: ServicesDep, once: Once) -> Response:
    """Send a `ping`, like any event. What comes of it stands among the events."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        event = await webhook_events.ping(session, ref)
        return await once.answer(session, 202, event_view(event))


@router.get(
    "/{subscription_id}/events", response_model=EventPage, responses=describe(WebhookNotFound)
)
async def list_events(
    ref: Ref,
    services: ServicesDep,
    state: EventState | None = None,
    page: Page = 1,
    page_size: PageSize = DEFAULT_PAGE_SIZE,
) -> Response:
    """What it was told, and how often that was tried. Kept for a week after the end of each."""
    async with services.database.begin() as session:
        found, total = await webhook_events.page(
            session, ref, state, offset=(page - 1) * page_size, limit=page_size
        )
    return json_answer(
        EventPage(
            events=[event_view(event) for event in found],
            total_count=total,
            page=page,
            page_size=page_size,
        )
    )


@router.post(
    "/{subscription_id}/events/{event_id}/redeliver",
    status_code=202,
    response_model=EventView,
    responses=describe(
        WebhookNotFound, WebhookEventNotFound, WebhookIsDisabled, WebhookEventIsPending
    ),
)
async def redeliver_event(ref: Ref, event_ref: EventRef, services: ServicesDep) -> Response:
    """Send an event again, by the same id, that was delivered or given up."""
    async with services.database.begin() as session:
        event = await webhook_events.redeliver(session, ref, event_ref)
    return json_answer(event_view(event), 202)


def _require_callable(text: str, services: Services) -> None:
    """Raises UnsafeWebhook for what is never called. Where a name leads is seen at each call."""
    allowed_hosts = services.config.webhook_allowed_hosts
    try:
        url = checked_url(text)
    except Refused as error:
        raise UnsafeWebhook(str(error)) from None
    host, port = url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80)
    if is_allowed(host, port, allowed_hosts):
        return
    if url.scheme != "https" or (is_address(host) and public_address(host) is None):
        raise UnsafeWebhook
