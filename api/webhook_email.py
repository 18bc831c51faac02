"""Mail that somebody brings: a mail server or a mail service posts it as it is, and signs it."""

import asyncio
from typing import Annotated

from fastapi import Header, Request, Response
from pydantic import SecretStr

from api.access import allow_anybody
from api.errors import describe
from api.idempotency import json_answer
from api.routes import Routes
from api.services import Services, ServicesDep
from api.tickets import nudge
from api.webhooks import Stored
from channels import standard_webhooks
from channels.mail import MAX_MAIL, read_mail
from domain.errors import (
    FilesUnavailable,
    InvalidRequest,
    NotConfigured,
    NotSigned,
    PayloadTooLarge,
)
from domain.mail import Mail, Mailbox
from domain.models import Channel, Priority
from store.mail_taker import MailTaker
from workflows.engine import NewTicketFacts

_PATIENCE = 60.0
"""Seconds: 35 MB at 600 KB a second."""
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The mail as it is (RFC 5322), up to 35 MB.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("message/rfc822", "application/octet-stream")
        },
    }
}

WebhookId = Annotated[
    str | None, Header(alias=standard_webhooks.ID, description="The same when it is sent again.")
]
WebhookTimestamp = Annotated[
    str | None,
    Header(
        alias=standard_webhooks.TIMESTAMP,
        description="Seconds since 1970, within five minutes of now.",
    ),
]
WebhookSignature = Annotated[
    str | None,
    Header(
        alias=standard_webhooks.SIGNATURE,
        description="`v1,` and the HMAC-SHA256 of `<id>.<timestamp>.<body>`, in base64; several "
        "with spaces between. See standardwebhooks.com.",
    ),
]

router = Routes(prefix="/api/webhooks", tags=["Webhooks"], max_body=MAX_MAIL, patience=_PATIENCE)


@router.post(
    "/email",
    response_model=Stored,
    dependencies=[allow_anybody(unlimited=True)],
    responses=describe(NotSigned, NotConfigured, InvalidRequest, PayloadTooLarge, FilesUnavailable),
    openapi_extra=_BODY,
)
async def take_from_mail(
    request: Request,
    services: ServicesDep,
    event_id: WebhookId = None,
    timestamp: WebhookTimestamp = None,
    signature: WebhookSignature = None,
) -> Response:
    """Take a mail into the ticket that it belongs to, or open one.

    Answered when it is stored. The same mail again, by its Message-ID, changes nothing.
    """
    secret, mailbox = _set_up(services)
    if not (event_id and timestamp and signature):
        raise NotSigned
    # A whole mail is held in memory: a few at once.
    with services.uploads.take("webhooks/email"):
        body = await request.body()
        _require_signed(secret, request, body)
        await services.count_webhook(Channel.EMAIL)
        mail = await asyncio.to_thread(read_mail, body, ours=(mailbox.address,))
        if not isinstance(mail, Mail):
            raise InvalidRequest(f"This is no e-mail that can be taken: {mail.reason}.")
        await _take(services, mailbox, mail)
    return json_answer(Stored())


async def _take(services: Services, mailbox: Mailbox, mail: Mail) -> None:
    taker = MailTaker(services.database, services.blobs, mailbox, services.config.policy)
    taken = await taker.take(mail)
    if taken.written is not None:
        facts = None
        if taken.number is not None:
            facts = NewTicketFacts(taken.number, Channel.EMAIL, Priority.MEDIUM)
        nudge(services, taken.written, facts)


def _set_up(services: Services) -> tuple[SecretStr, Mailbox]:
    config = services.config
    if config.email_webhook_secret is None:
        raise NotConfigured("This webhook needs EMAIL_WEBHOOK_SECRET, which is not set.")
    if config.email_address is None:
        raise NotConfigured("This webhook needs EMAIL_ADDRESS, which is not set.")
    return config.email_webhook_secret, Mailbox.of(config.email_address)


def _require_signed(secret: SecretStr, request: Request, body: bytes) -> None:
    try:
        signed = standard_webhooks.holds([secret], request.headers, body)
    except ValueError as error:
        raise NotConfigured(f"EMAIL_WEBHOOK_SECRET is none: {error}.") from None
    if not signed:
        raise NotSigned
