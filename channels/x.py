"""X: how its webhooks are signed, and what they say.

https://docs.x.com/x-api/account-activity/introduction. Two envelopes are in use for the same
direct messages, and seed 004 has a short one. What else X tells (posts, follows, typing) is not
for us.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Any

import structlog
from pydantic import JsonValue, SecretStr

from channels.heard import ArrivedUntil, Echo, File, Heard, Said, Sender
from channels.untrusted import LONGEST_TEXT, Object, at, cut, in_order, instant, name, objects
from channels.untrusted import short as one_line
from channels.untrusted import text as plain_text
from domain.models import DeliveryState

log = structlog.get_logger(__name__)

SIGNATURE = "x-twitter-webhooks-signature"

_MILLISECONDS = 1_000
_LONGEST_ADDRESS = 200
_LONGEST_URL = 2_000
_LONGEST_PAYLOAD = 1_000
_SHORTENED = re.compile(r"https?://t\.co/\w+")
_SENT = {"photo": "Sent a photo.", "video": "Sent a video.", "animated_gif": "Sent a GIF."}
_UNKNOWN = "Sent something that cannot be shown here."


def crc_answer(secret: SecretStr, token: str) -> str:
    """The `response_token` for a `crc_token`, by which X sees that the address is ours."""
    return sign(secret, token.encode())


def sign(secret: SecretStr, body: bytes) -> str:
    """The value of `x-twitter-webhooks-signature` for these bytes: `sha256=` and base64 of the
    HMAC-SHA256 with the app's consumer secret."""
    digest = hmac.digest(secret.get_secret_value().encode(), body, hashlib.sha256)
    return f"sha256={base64.b64encode(digest).decode()}"


def signature_holds(secret: SecretStr, body: bytes, header: str | None) -> bool:
    """Whether these very bytes were signed with the secret; takes as long for any header."""
    given = (header or "").encode("utf-8", "replace")
    return hmac.compare_digest(given, sign(secret, body).encode())


def parse(body: JsonValue) -> list[Heard]:
    """What a webhook's body tells. What makes no sense is left out. Never raises."""
    told = _Told(body)
    return in_order([*told.messages(), *told.read_marks()])


class _Told:
    """One body: whose it is, and who is spoken of in it."""

    def __init__(self, body: JsonValue) -> None:
        payload = at(body, "data", "payload")
        self._payload = payload if isinstance(payload, dict) else body
        self._account = _address(at(self._payload, "for_user_id")) or _address(
            at(body, "data", "filter", "user_id")
        )

    def messages(self) -> Iterator[Said | Echo]:
        for event in objects(at(self._payload, "direct_message_events")):
            yield from self._message(event)

    def read_marks(self) -> Iterator[ArrivedUntil]:
        for mark in objects(at(self._payload, "direct_message_mark_read_events")):
            reader = _address(mark.get("sender_id"))
            until = instant(mark.get("created_timestamp"), _MILLISECONDS)
            if reader and until and reader != self._account:
                yield ArrivedUntil(self._account, reader, DeliveryState.READ, until)

    def _message(self, event: Object) -> Iterator[Said | Echo]:
        external_id = name(event.get("id"))
        sender = _address(at(event, "message_create", "sender_id"))
        text = _text_of(at(event, "message_create", "message_data"))
        known_type = event.get("type", "message_create") == "message_create"
        if not (known_type and external_id and sender and text):
            log.warning("message left out", channel="twitter", of=one_line(event.get("type")))
        elif sender == self._account:
            yield from self._echo(event, external_id, text)
        else:
            yield from cut(self._said(event, external_id, sender, text))

    def _said(self, event: Object, external_id: str, sender: str, text: str) -> Said:
        user = at(self._payload, "users", sender)
        called = one_line(at(user, "name")) or one_line(at(user, "screen_name"))
        return Said(
            account=self._account,
            sender=Sender(sender, (sender,), called or None),
            external_id=external_id,
            text=text,
            at=instant(event.get("created_timestamp"), _MILLISECONDS),
            files=_files_of(event),
            metadata=_metadata(event),
        )

    def _echo(self, event: Object, external_id: str, text: str) -> Iterator[Echo]:
        to = _address(at(event, "message_create", "target", "recipient_id"))
        if to is None or to == self._account:
            return
        yield Echo(
            account=self._account,
            to=to,
            external_id=external_id,
            # Never in parts: what it is an echo of has one id.
            text=text[:LONGEST_TEXT],
            at=instant(event.get("created_timestamp"), _MILLISECONDS),
            app=name(at(event, "message_create", "source_app_id")),
            files=_files_of(event),
        )


def _address(value: JsonValue) -> str | None:
    return name(value, _LONGEST_ADDRESS)


def _text_of(data: JsonValue) -> str:
    """What was said, or what was sent without a word; empty when it is no message."""
    written, attachment = at(data, "text"), at(data, "attachment")
    if not isinstance(written, str) and not isinstance(attachment, dict):
        return ""
    text = _expanded(plain_text(written), data).strip()
    return text or _SENT.get(str(at(attachment, "media", "type")), _UNKNOWN)


def _expanded(text: str, data: JsonValue) -> str:
    """With links as they were written, and without the one that stands for the attachment."""
    links: dict[str, str] = {}
    for entity in objects(at(data, "entities", "urls")):
        shortened, written = entity.get("url"), entity.get("expanded_url")
        if isinstance(shortened, str) and _is_short(written):
            links[shortened] = plain_text(written)
    attached = at(data, "attachment", "media", "url")
    if isinstance(attached, str):
        links[attached] = ""
    return _SHORTENED.sub(lambda link: links.get(link[0], link[0]), text)


def _is_short(url: JsonValue) -> bool:
    return isinstance(url, str) and len(url) <= _LONGEST_URL


def _files_of(event: Object) -> tuple[File, ...]:
    media = at(event, "message_create", "message_data", "attachment", "media")
    reference = _film_of(media) or _url(at(media, "media_url_https"))
    if reference is None:
        return ()
    return (File(reference, name=one_line(reference.partition("?")[0].rsplit("/", 1)[-1])),)


def _film_of(media: JsonValue) -> str | None:
    """The best of the films: `media_url_https` is only its first picture."""
    variants = objects(at(media, "video_info", "variants"))
    films = [each for each in variants if each.get("content_type") == "video/mp4"]
    best = max(films, key=_bitrate, default=None)
    return _url(best.get("url")) if best else None


def _bitrate(film: Object) -> int:
    rate = film.get("bitrate")
    return rate if isinstance(rate, int) else 0


def _url(value: JsonValue) -> str | None:
    url = name(value, _LONGEST_URL)
    return url if url and url.startswith("https://") else None


def _metadata(event: Object) -> dict[str, Any]:
    """Which of the offered answers was chosen, and which post the conversation began at."""
    told: dict[str, Any] = {}
    chosen = at(event, "message_create", "message_data", "quick_reply_response", "metadata")
    if payload := one_line(chosen, _LONGEST_PAYLOAD):
        told["payload"] = payload
    if post := name(at(event, "initiated_via", "tweet_id")):
        told["referral"] = {"tweet_id": post}
    return told
