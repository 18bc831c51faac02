"""Platforms, as far as tests need them: what they send, and how they sign it."""

import json
from typing import Any

import httpx
from pydantic import SecretStr

from channels import meta, x
from channels.accounts import Accounts, MessengerAccount, Meta, WhatsAppAccount, XAccount
from domain.models import Channel

Json = dict[str, Any]

APP_SECRET = SecretStr("app_secret")
CONSUMER_SECRET = SecretStr("consumer_secret")
VERIFY_TOKEN = "a word of ours"
PAGE, NUMBER, USER = "1001", "2002", "3003"
ACCOUNTS = Accounts(
    meta=Meta(APP_SECRET, SecretStr(VERIFY_TOKEN)),
    x_consumer_secret=CONSUMER_SECRET,
    whatsapp=WhatsAppAccount(NUMBER, SecretStr("wa-token"), "https://graph.example"),
    messenger=MessengerAccount(PAGE, SecretStr("page-token"), "https://graph.example"),
    x=XAccount(USER, SecretStr("x-token"), "https://x.example"),
)
SET_UP = {
    "accounts": ACCOUNTS,
    "email_address": "support@example.org",
    "email_webhook_secret": SecretStr("whsec_" + 8 * "c2VjcmV0"),
}
"""In an ApiConfig: every webhook is there."""
PLATFORMS = (Channel.FACEBOOK, Channel.WHATSAPP, Channel.TWITTER)
AT = 1_795_167_001
"""Seconds since 1970."""


def signed(channel: Channel, body: bytes) -> dict[str, str]:
    if channel is Channel.TWITTER:
        return {x.SIGNATURE: x.sign(CONSUMER_SECRET, body)}
    return {"X-Hub-Signature-256": meta.sign(APP_SECRET, body)}


async def call(client: httpx.AsyncClient, channel: Channel, body: Json | bytes) -> httpx.Response:
    """As the platform calls, with a good signature."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | signed(channel, raw)
    return await client.post(f"/api/webhooks/{channel}", content=raw, headers=headers)


def said(channel: Channel, who: str, name: str, words: str, second: int = 0) -> Json:
    """A customer says something; `name` is the platform's for the message."""
    match channel:
        case Channel.FACEBOOK:
            return messenger({"message": {"mid": name, "text": words}}, who, second)
        case Channel.WHATSAPP:
            message = {"id": name, "from": who, "type": "text", "text": {"body": words}}
            return whatsapp({"messages": [message | {"timestamp": str(AT + second)}]})
        case _:
            return x_message(name, who, USER, words, second)


def echoed(
    channel: Channel, to: str, name: str, words: str, second: int = 0, **more: object
) -> Json:
    """Somebody has said something in our name."""
    if channel is Channel.FACEBOOK:
        message = {"mid": name, "text": words, "is_echo": True} | more
        event = {"sender": {"id": PAGE}, "recipient": {"id": to}, "message": message}
        return _page(event | {"timestamp": (AT + second) * 1000})
    return x_message(name, USER, to, words, second)


def messenger(event: Json, who: str, second: int = 0) -> Json:
    people = {"sender": {"id": who}, "recipient": {"id": PAGE}}
    return _page(people | {"timestamp": (AT + second) * 1000} | event)


def whatsapp(value: Json) -> Json:
    metadata = {"display_phone_number": "15550001", "phone_number_id": NUMBER}
    change = {"field": "messages", "value": {"metadata": metadata} | value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "9", "changes": [change]}]}


def x_message(name: str, sender: str, to: str, words: str, second: int = 0) -> Json:
    created = {
        "target": {"recipient_id": to},
        "sender_id": sender,
        "message_data": {"text": words},
    }
    event = {
        "type": "message_create",
        "id": name,
        "created_timestamp": str((AT + second) * 1000),
        "message_create": created,
    }
    return {"for_user_id": USER, "direct_message_events": [event]}


def merged(bodies: list[Json]) -> Json:
    """Several bodies of one platform as one."""
    first = bodies[0]
    place = "entry" if "entry" in first else "direct_message_events"
    return first | {place: [each for body in bodies for each in body[place]]}


def _page(event: Json) -> Json:
    return {"object": "page", "entry": [{"id": PAGE, "time": AT * 1000, "messaging": [event]}]}
