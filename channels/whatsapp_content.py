"""What a WhatsApp message says: its text and files, by its type.

What cannot be shown as text or file is named, so that agents see that there was something.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from channels.heard import File
from channels.untrusted import Object, at, name, number, objects, short, text

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_MOST_LISTED = 10
"""Contacts or products of one message that are named."""


@dataclass(frozen=True, slots=True)
class Content:
    text: str
    files: tuple[File, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def content_of(message: Object) -> Content:
    """Its `text` is never empty."""
    kind = message.get("type")
    if not isinstance(kind, str):
        # The short form tells no type; it has nothing but text.
        kind = "text"
    return _BY_TYPE.get(kind, _unknown)(message)


def _text(message: Object) -> Content:
    return Content(text(at(message, "text", "body")) or "Sent an empty message.")


def _media(kind: str, named: str) -> Callable[[Object], Content]:
    def read(message: Object) -> Content:
        file = _file(message.get(kind))
        said = named
        if at(message, kind, "voice") is True:
            said = "Sent a voice message."
        elif file and file.name:
            said = f"{named.removesuffix('.')}: {file.name}"
        caption = text(at(message, kind, "caption"))
        return Content(caption or said, (file,) if file else ())

    return read


def _file(value: JsonValue) -> File | None:
    media_id = name(at(value, "id"))
    if media_id is None:
        return None
    return File(
        reference=media_id,
        content_type=short(at(value, "mime_type")),
        name=short(at(value, "filename")),
        sha256=_sha256(at(value, "sha256")),
    )


def _sha256(value: JsonValue) -> str | None:
    """In hex; WhatsApp writes it in base64."""
    spelled = name(value)
    if spelled is None or _HEX.fullmatch(spelled):
        return spelled and spelled.lower()
    try:
        digest = base64.b64decode(spelled, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 32 else None


def _location(message: Object) -> Content:
    place = at(message, "location")
    latitude, longitude = number(at(place, "latitude")), number(at(place, "longitude"))
    words = [short(at(place, "name")), short(at(place, "address"))]
    if latitude is not None and longitude is not None:
        words.append(f"{latitude:.6f}, {longitude:.6f}")
    return Content(_listed("Sent a location", words, ", "))


def _contacts(message: Object) -> Content:
    people = objects(message.get("contacts"))[:_MOST_LISTED]
    return Content(_listed("Sent a contact", [_contact(each) for each in people], "; "))


def _contact(person: Object) -> str:
    ways = [short(each.get("phone")) for each in objects(person.get("phones"))[:3]]
    ways += [short(each.get("email")) for each in objects(person.get("emails"))[:3]]
    return ", ".join(each for each in (short(at(person, "name", "formatted_name")), *ways) if each)


def _interactive(message: Object) -> Content:
    chosen = at(message, "interactive", "button_reply") or at(message, "interactive", "list_reply")
    form = text(at(message, "interactive", "nfm_reply", "response_json"))
    if form:
        return Content(f"Filled in a form: {form}")
    return _choice(at(chosen, "title"), at(chosen, "id"))


def _button(message: Object) -> Content:
    return _choice(at(message, "button", "text"), at(message, "button", "payload"))


def _choice(title: JsonValue, payload: JsonValue) -> Content:
    chosen = short(payload)
    said = text(title) or (f"Chose {chosen}." if chosen else "Pressed a button.")
    return Content(said, metadata={"payload": chosen} if chosen else {})


def _order(message: Object) -> Content:
    products = objects(at(message, "order", "product_items"))
    words = [_product(each) for each in products[:_MOST_LISTED]]
    if len(products) > _MOST_LISTED:
        words.append(f"and {len(products) - _MOST_LISTED} more")
    listed = _listed("Sent an order", words, ", ")
    return Content("\n".join(filter(None, (text(at(message, "order", "text")), listed))))


def _product(item: Object) -> str:
    spelled = name(item.get("quantity"), 20)
    product = name(item.get("product_retailer_id"), 200) or "a product"
    return f"{spelled} x {product}" if spelled else product


def _system(message: Object) -> Content:
    """Something happened to the customer's account, like a change of the number."""
    kind = short(at(message, "system", "type"))
    said = text(at(message, "system", "body"))
    return Content(
        said or "Something about the customer's WhatsApp account has changed.",
        metadata={"system": kind or "unknown"},
    )


def _unknown(message: Object) -> Content:
    """`unsupported` is what WhatsApp itself does not pass on (error 131051)."""
    kind = short(message.get("type"), 50).replace("unsupported", "")
    return Content(_listed("Sent something that cannot be shown here", [kind], ""))


def _listed(what: str, words: list[str], between: str) -> str:
    told = between.join(each for each in words if each)
    return f"{what}: {told}" if told else f"{what}."


_BY_TYPE: dict[str, Callable[[Object], Content]] = {
    "text": _text,
    "image": _media("image", "Sent an image."),
    "video": _media("video", "Sent a video."),
    "audio": _media("audio", "Sent an audio recording."),
    "document": _media("document", "Sent a document."),
    "sticker": _media("sticker", "Sent a sticker."),
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
    "system": _system,
}
