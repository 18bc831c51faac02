"""What WhatsApp's Cloud API tells us, in our words.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components

Bodies come signed (`channels.meta`), twice, in any order, and with kinds of things that nobody has
announced. What makes no sense is left out, and the rest is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import JsonValue

from channels.graph_errors import WHATSAPP, code_of
from channels.heard import Arrived, Heard, Reacted, Said, Sender
from channels.untrusted import Object, at, cut, in_order, instant, name, objects, short
from channels.whatsapp_content import content_of
from channels.whatsapp_people import People, address_of
from domain.models import DeliveryState

log = structlog.get_logger(__name__)

_STATES = {
    "sent": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.READ,
    "played": DeliveryState.READ,
    "failed": DeliveryState.FAILED,
}
_SILENT = ("request_welcome",)
"""Nothing was said by these."""
_REFERRAL = ("source_url", "source_type", "source_id", "headline", "body", "ctwa_clid")
"""What of an advertisement that led the customer to us is kept; each is cut."""


def parse(body: JsonValue) -> list[Heard]:
    """All that a body tells: what was said, oldest first, then how far our messages have come.

    Never raises, whatever the body is. The short form, with nothing in it but messages, does too.
    """
    entries = objects(at(body, "entry"))
    changes = [each for entry in entries for each in objects(entry.get("changes"))]
    # Other fields are subscribed to with the same address, and are none of ours.
    values = [each.get("value") for each in changes if each.get("field") in ("messages", None)]
    return in_order(each for value in values for each in _heard(value))


@dataclass(frozen=True, slots=True)
class _Context:
    account: str | None
    people: People


def _heard(value: JsonValue) -> Iterator[Heard]:
    context = _Context(name(at(value, "metadata", "phone_number_id")), People.of(value))
    for error in objects(at(value, "errors")):
        log.warning("whatsapp reports an error", code=code_of([error]))
    for message in objects(at(value, "messages")):
        yield from _message(message, context)
    for status in objects(at(value, "statuses")):
        yield from _status(status, context.account)


def _message(message: Object, context: _Context) -> Iterator[Heard]:
    external_id, sender = name(message.get("id")), context.people.sender(message)
    kind = message.get("type")
    if external_id is None or sender is None:
        log.warning("message left out", channel="whatsapp", of=short(kind))
    elif kind == "reaction":
        yield from _reaction(message, external_id, sender, context.account)
    elif kind not in _SILENT:
        content = content_of(message)
        said = Said(
            account=context.account,
            sender=sender,
            external_id=external_id,
            text=content.text,
            at=instant(message.get("timestamp")),
            files=content.files,
            metadata=_metadata(message) | content.metadata,
        )
        yield from cut(said)


def _metadata(message: Object) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if reply_to := name(at(message, "context", "id")):
        told["reply_to"] = reply_to
    referral = {each: short(at(message, "referral", each)) for each in _REFERRAL}
    if any(referral.values()):
        told["referral"] = {key: value for key, value in referral.items() if value}
    return told


def _reaction(
    message: Object, external_id: str, sender: Sender, account: str | None
) -> Iterator[Reacted]:
    to = name(at(message, "reaction", "message_id"))
    if to is None:
        log.warning("message left out", channel="whatsapp", of="reaction")
        return
    yield Reacted(
        account=account,
        sender=sender,
        external_id=external_id,
        to=to,
        emoji=short(at(message, "reaction", "emoji")) or None,
        at=instant(message.get("timestamp")),
    )


def _status(status: Object, account: str | None) -> Iterator[Arrived]:
    external_id, spelled = name(status.get("id")), status.get("status")
    state = _STATES.get(spelled) if isinstance(spelled, str) else None
    if external_id is None or state is None:
        log.warning("status left out", channel="whatsapp", of=short(spelled))
        return
    yield Arrived(
        account=account,
        external_id=external_id,
        state=state,
        our_id=name(status.get("biz_opaque_callback_data")),
        address=address_of(status.get("recipient_id"))
        or address_of(status.get("recipient_user_id")),
        error=_error(status) if state is DeliveryState.FAILED else None,
    )


def _error(status: Object) -> str:
    code = code_of(status.get("errors"))
    return WHATSAPP.sentence(code) if code else "WhatsApp has not delivered the message."
