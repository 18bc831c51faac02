"""Bodies of webhooks as the real platforms send them, to try a Holdfast out without a platform.

The configured accounts stand in them, or made-up ones where none is set up.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from pydantic import SecretStr
from pydantic_core import to_json

from channels import meta, standard_webhooks, x
from holdfast.errors import SetupError
from holdfast.settings import Settings

_PHONE_NUMBER_ID, _PAGE_ID, _ACCOUNT_ID = "106540352242922", "104528391234567", "3001969357"
_NUMBER = re.compile(r"[0-9]{1,30}")
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_MAIL = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_EPOCH_OF_X = 1_288_834_974_657
"""Milliseconds since 1970 from which the ids of X count."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What a customer writes. `id` is what the platform calls it."""

    sender: str
    text: str
    name: str
    subject: str
    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Platform:
    """How a platform calls us."""

    title: str
    channel: str
    path: str
    secret: Callable[[Settings], SecretStr | None]
    secret_setting: str
    sender: str
    """Who writes, where nobody is named."""
    senders: re.Pattern[str]
    new_id: Callable[[datetime], str]
    body: Callable[[Settings, Writing], bytes]
    headers: Callable[[SecretStr, Writing, bytes], Mapping[str, str]]

    def signed(self, settings: Settings, writing: Writing) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers. Raises SetupError."""
        if not self.senders.fullmatch(writing.sender):
            raise SetupError(f"{self.title} knows nobody like that; --from {self.sender} would do.")
        secret = self.secret(settings)
        if secret is None:
            raise SetupError(
                f"{self.secret_setting} is not set. Set it for this command and for the Holdfast "
                f"that is called: {self.title} signs by it."
            )
        body = self.body(settings, writing)
        try:
            return body, self.headers(secret, writing, body)
        except ValueError:
            raise SetupError(f"{self.secret_setting} has to be whsec_ and base64.") from None


def _whatsapp(settings: Settings, writing: Writing) -> bytes:
    number = writing.sender.removeprefix("+")
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550783881",
            "phone_number_id": settings.whatsapp_phone_number_id or _PHONE_NUMBER_ID,
        },
        "contacts": [{"profile": {"name": writing.name}, "wa_id": number}],
        "messages": [
            {
                "from": number,
                "id": writing.id,
                "timestamp": str(int(writing.at.timestamp())),
                "text": {"body": writing.text},
                "type": "text",
            }
        ],
    }
    change = {"value": value, "field": "messages"}
    entry = {"id": "102290129340398", "changes": [change]}
    return to_json({"object": "whatsapp_business_account", "entry": [entry]})


def _messenger(settings: Settings, writing: Writing) -> bytes:
    page = settings.messenger_page_id or _PAGE_ID
    event = {
        "sender": {"id": writing.sender},
        "recipient": {"id": page},
        "timestamp": _milliseconds(writing.at),
        "message": {"mid": writing.id, "text": writing.text},
    }
    entry = {"time": _milliseconds(writing.at), "id": page, "messaging": [event]}
    return to_json({"object": "page", "entry": [entry]})


def _twitter(settings: Settings, writing: Writing) -> bytes:
    account = settings.x_account_id or _ACCOUNT_ID
    entities: dict[str, list[str]] = {
        kind: [] for kind in ("hashtags", "symbols", "user_mentions", "urls")
    }
    message = {
        "type": "message_create",
        "id": writing.id,
        "created_timestamp": str(_milliseconds(writing.at)),
        "message_create": {
            "target": {"recipient_id": account},
            "sender_id": writing.sender,
            "message_data": {"text": writing.text, "entities": entities},
        },
    }
    users = {
        writing.sender: _user(writing.sender, writing.name, f"user{writing.sender}", writing.at),
        account: _user(account, "Support", "support", writing.at),
    }
    return to_json({"for_user_id": account, "direct_message_events": [message], "users": users})


def _user(user_id: str, name: str, screen_name: str, at: datetime) -> dict[str, object]:
    return {
        "id": user_id,
        "created_timestamp": str(_milliseconds(at)),
        "name": name,
        "screen_name": screen_name,
        "protected": False,
        "verified": False,
        "followers_count": 12,
        "friends_count": 34,
        "statuses_count": 56,
    }


def _email(settings: Settings, writing: Writing) -> bytes:
    mail = EmailMessage(SMTP)
    mail["From"] = Address(" ".join(writing.name.split()), addr_spec=writing.sender)
    mail["To"] = settings.email_address or "support@example.com"
    mail["Subject"] = " ".join(writing.subject.split())
    mail["Date"] = format_datetime(writing.at)
    mail["Message-ID"] = f"<{writing.id}>"
    mail.set_content(writing.text)
    return mail.as_bytes()


def _meta_headers(secret: SecretStr, _: Writing, body: bytes) -> Mapping[str, str]:
    return {"X-Hub-Signature-256": meta.sign(secret, body), "Content-Type": "application/json"}


def _x_headers(secret: SecretStr, _: Writing, body: bytes) -> Mapping[str, str]:
    return {x.SIGNATURE: x.sign(secret, body), "Content-Type": "application/json"}


def _email_headers(secret: SecretStr, _: Writing, body: bytes) -> Mapping[str, str]:
    event_id, now = f"msg_{secrets.token_hex(12)}", datetime.now(UTC)
    return {
        standard_webhooks.ID: event_id,
        standard_webhooks.TIMESTAMP: str(int(now.timestamp())),
        standard_webhooks.SIGNATURE: standard_webhooks.sign(secret, event_id, now, body),
        "Content-Type": "message/rfc822",
    }


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


PLATFORMS = {
    "whatsapp": Platform(
        title="WhatsApp",
        channel="whatsapp",
        path="/api/webhooks/whatsapp",
        secret=lambda settings: settings.meta_app_secret,
        secret_setting="META_APP_SECRET",  # noqa: S106  the setting's name
        sender="+15550100",
        senders=_PHONE,
        new_id=lambda _: f"wamid.HBgL{secrets.token_urlsafe(27)}A",
        body=_whatsapp,
        headers=_meta_headers,
    ),
    "messenger": Platform(
        title="Messenger",
        channel="facebook",
        path="/api/webhooks/facebook",
        secret=lambda settings: settings.meta_app_secret,
        secret_setting="META_APP_SECRET",  # noqa: S106
        sender="24271893129112345",
        senders=_NUMBER,
        new_id=lambda _: f"m_{secrets.token_urlsafe(63)}",
        body=_messenger,
        headers=_meta_headers,
    ),
    "twitter": Platform(
        title="X",
        channel="twitter",
        path="/api/webhooks/twitter",
        secret=lambda settings: settings.x_consumer_secret,
        secret_setting="X_CONSUMER_SECRET",  # noqa: S106
        sender="3284025577",
        senders=_NUMBER,
        new_id=lambda at: str(
            ((_milliseconds(at) - _EPOCH_OF_X) << 22) + secrets.randbelow(1 << 22)
        ),
        body=_twitter,
        headers=_x_headers,
    ),
    "email": Platform(
        title="E-mail",
        channel="email",
        path="/api/webhooks/email",
        secret=lambda settings: settings.email_webhook_secret,
        secret_setting="EMAIL_WEBHOOK_SECRET",  # noqa: S106
        sender="customer@example.com",
        senders=_MAIL,
        new_id=lambda _: f"{secrets.token_hex(16)}@mail.example.com",
        body=_email,
        headers=_email_headers,
    ),
}
