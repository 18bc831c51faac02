"""What Messenger tells us, in our words.

https://developers.facebook.com/docs/messenger-platform/webhooks

Bodies come signed (`channels.meta`), twice and in any order: a message is known by its `mid`, and
its place by the `timestamp`. What makes no sense is left out, and the rest is kept.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import structlog
from pydantic import JsonValue

from channels.heard import Arrived, ArrivedUntil, Echo, Heard, Reacted, Said, Sender
from channels.messenger_content import content_of
from channels.untrusted import Object, at, cut, in_order, instant, name, objects, short, text
from domain.models import DeliveryState

log = structlog.get_logger(__name__)

_MILLISECONDS = 1_000
_LONGEST_ADDRESS = 200
_MOST_MIDS = 1_000
_REFERRAL = ("ref", "source", "type", "ad_id")
"""What of the way by which the customer came to us is kept; each is cut."""


def parse(body: JsonValue) -> list[Heard]:
    """All that a body tells: what was said, oldest first, then how far our messages have come.

    Never raises, whatever the body is. What is in `standby` belongs to another program, which has
    the conversation at the moment: it is neither kept nor answered.
    """
    return in_order(
        each
        for entry in objects(at(body, "entry"))
        for event in objects(entry.get("messaging"))
        for each in _heard(event, name(entry.get("id")))
    )


def _heard(event: Object, page: str | None) -> Iterator[Heard]:
    sender = name(at(event, "sender", "id"), _LONGEST_ADDRESS)
    page = name(at(event, "recipient", "id")) or page
    if sender is None:
        log.warning("message left out", channel="facebook")
    elif at(event, "message", "is_echo") is True:
        yield from _echo(event, sender)
    else:
        for kind, read in _KINDS.items():
            if isinstance(event.get(kind), dict):
                yield from read(event, sender, page)
                return
        log.debug("event left out", channel="facebook")


def _echo(event: Object, page: str) -> Iterator[Echo]:
    """Sender and recipient have changed places."""
    message = at(event, "message")
    external_id = name(at(message, "mid"))
    to = name(at(event, "recipient", "id"), _LONGEST_ADDRESS)
    if external_id is None or to is None:
        log.warning("message left out", channel="facebook", of="echo")
        return
    content = content_of(message)
    yield from cut(
        Echo(
            account=page,
            to=to,
            external_id=external_id,
            text=content.text,
            at=_at(event),
            our_id=name(at(message, "metadata")),
            app=name(at(message, "app_id")),
            files=content.files,
        )
    )


def _message(event: Object, sender: str, page: str | None) -> Iterator[Said]:
    message = at(event, "message")
    external_id = name(at(message, "mid"))
    if external_id is None:
        log.warning("message left out", channel="facebook", of="message")
        return
    content = content_of(message)
    told: dict[str, Any] = {}
    if reply_to := name(at(message, "reply_to", "mid")):
        told["reply_to"] = reply_to
    if payload := short(at(message, "quick_reply", "payload")):
        told["payload"] = payload
    yield from cut(
        Said(
            account=page,
            sender=_person(sender),
            external_id=external_id,
            text=content.text,
            at=_at(event),
            files=content.files,
            metadata=told | _referral(at(message, "referral")),
        )
    )


def _postback(event: Object, sender: str, page: str | None) -> Iterator[Said]:
    """A button was pressed. Older ones come without a `mid`."""
    postback = at(event, "postback")
    payload = short(at(postback, "payload"))
    told = {"payload": payload} if payload else {}
    yield from cut(
        Said(
            account=page,
            sender=_person(sender),
            external_id=name(at(postback, "mid"))
            or _made_id("postback", sender, event, text(at(postback, "payload"))),
            text=text(at(postback, "title")) or payload or "Pressed a button.",
            at=_at(event),
            metadata=told | _referral(at(postback, "referral")),
        )
    )


def _reaction(event: Object, sender: str, page: str | None) -> Iterator[Reacted]:
    reaction = at(event, "reaction")
    to = name(at(reaction, "mid"))
    if to is None:
        log.warning("message left out", channel="facebook", of="reaction")
        return
    given = at(reaction, "action") != "unreact"
    emoji = short(at(reaction, "emoji")) or short(at(reaction, "reaction"))
    yield Reacted(
        account=page,
        sender=_person(sender),
        external_id=_made_id("reaction", sender, event, to, str(given), emoji),
        to=to,
        emoji=(emoji or None) if given else None,
        at=_at(event),
    )


def _delivery(event: Object, sender: str, page: str | None) -> Iterator[Arrived | ArrivedUntil]:
    mids = at(event, "delivery", "mids")
    for mid in mids[:_MOST_MIDS] if isinstance(mids, list) else []:
        if external_id := name(mid):
            yield Arrived(page, external_id, DeliveryState.DELIVERED, address=sender)
    yield from _until(at(event, "delivery"), sender, page, DeliveryState.DELIVERED)


def _read(event: Object, sender: str, page: str | None) -> Iterator[ArrivedUntil]:
    yield from _until(at(event, "read"), sender, page, DeliveryState.READ)


def _until(
    told: JsonValue, sender: str, page: str | None, state: DeliveryState
) -> Iterator[ArrivedUntil]:
    until = instant(at(told, "watermark"), _MILLISECONDS)
    if until is not None:
        yield ArrivedUntil(page, sender, state, until)


_KINDS: dict[str, Callable[[Object, str, str | None], Iterable[Heard]]] = {
    "message": _message,
    "postback": _postback,
    "reaction": _reaction,
    "delivery": _delivery,
    "read": _read,
}


def _person(address: str) -> Sender:
    return Sender(address, (address,))


def _at(event: Object) -> datetime | None:
    return instant(event.get("timestamp"), _MILLISECONDS)


def _referral(value: JsonValue) -> dict[str, Any]:
    told = {each: short(at(value, each)) for each in _REFERRAL}
    kept = {key: each for key, each in told.items() if each}
    return {"referral": kept} if kept else {}


def _made_id(kind: str, sender: str, event: Object, *parts: str) -> str:
    """For what has no id: the same for the same event, however often it comes."""
    spelled = "\0".join((sender, name(event.get("timestamp")) or "", *parts))
    return f"{kind}/{hashlib.sha256(spelled.encode()).hexdigest()}"
