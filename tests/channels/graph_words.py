"""What Meta's Graph API takes and says; see `graph_server`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

APP_ID = "270000000000001"
"""By which echoes of our messages name our app."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the platform has accepted."""

    platform: str
    """whatsapp or messenger."""
    account: str
    to: str
    id: str
    body: dict[str, Any]
    at: datetime
    our_id: str | None
    file: bytes | None = None
    """What went up with it (Messenger), or by the media id that it names (WhatsApp)."""

    @property
    def text(self) -> str | None:
        """None for a file."""
        named = "text" if self.platform == "whatsapp" else "message"
        part = self.body.get(named, {})
        said = part.get("body") if self.platform == "whatsapp" else part.get("text")
        return said if isinstance(said, str) else None


def error_response(code: int, subcode: int = 0, status: int = 400, **more: object) -> web.Response:
    """As Meta writes errors; its `message` must never reach agents or logs."""
    error: dict[str, Any] = {
        "message": f"(#{code}) SECRET WORDS OF META",
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "A1",
        **more,
    }
    if subcode:
        error["error_subcode"] = subcode
    return web.json_response({"error": error}, status=status)


def webhook(taken: Taken, news: str, at: datetime, error: int | None = None) -> dict[str, Any]:
    """What Meta posts when there are news of a message."""
    if taken.platform == "whatsapp":
        return status_webhook(taken, news, error, at)
    return event_webhook(taken, news, at)


def status_webhook(taken: Taken, status: str, error: int | None, at: datetime) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": taken.id,
        "status": status,
        "timestamp": str(int(at.timestamp())),
        "recipient_id": taken.to,
        "biz_opaque_callback_data": taken.our_id,
    }
    if error is not None:
        told["errors"] = [{"code": error, "title": "SECRET WORDS OF META"}]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001", "phone_number_id": taken.account},
        "statuses": [told],
    }
    changes = [{"field": "messages", "value": value}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


def event_webhook(taken: Taken, kind: str, at: datetime) -> dict[str, Any]:
    milliseconds = int(at.timestamp() * 1_000)
    customer, page = {"id": taken.to}, {"id": taken.account}
    event: dict[str, Any] = {
        "sender": page if kind == "echo" else customer,
        "recipient": customer if kind == "echo" else page,
        "timestamp": milliseconds,
    }
    if kind == "echo":
        event["message"] = {
            "mid": taken.id,
            "is_echo": True,
            "app_id": int(APP_ID),
            **taken.body["message"],
        }
    elif kind == "delivery":
        event["delivery"] = {"mids": [taken.id], "watermark": milliseconds}
    else:
        event["read"] = {"watermark": milliseconds}
    entry = {"id": taken.account, "time": milliseconds, "messaging": [event]}
    return {"object": "page", "entry": [entry]}
