"""What `holdfast doctor` says of e-mail: the mailbox and the mail server, both tried."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

import aiosmtplib
from aiosmtplib import SMTP
from pydantic import SecretStr

from channels import standard_webhooks
from channels.mail_servers import Encryption, MailServer
from channels.mailbox import MailboxAway, MailboxRefuses, open_mailbox
from holdfast.channels_look import PATIENCE, Half, Look, cannot_answer, hears_nothing, tried
from holdfast.errors import SetupError
from holdfast.settings import Settings

_WHOLE = 3 * PATIENCE
"""Seconds for a connection with all its steps."""
_NO_ENCRYPTION = "The mail server offers no encryption that we can trust."


async def hears(settings: Settings) -> Half:
    """By a mailbox, by the webhook, or by both."""
    ways, faults = [], []
    for look in _looks(settings):
        try:
            ways.append(await look())
        except SetupError as error:
            faults.append(str(error))
    if faults:
        says = f"hears by {ways[0]} alone" if ways else "hears nothing"
        return Half(f"{says}: {' '.join(faults)}", works=False, well=False)
    if not ways:
        return hears_nothing("IMAP_URL or EMAIL_WEBHOOK_SECRET")
    return Half(f"hears by {' and '.join(ways)}")


async def answers(settings: Settings) -> Half:
    url, address = settings.smtp_url, settings.email_address
    if url is None or address is None:
        return cannot_answer("SMTP_URL")
    return await tried(lambda: _by_smtp(url, address))


def _looks(settings: Settings) -> Iterator[Look]:
    imap, webhook = settings.imap_url, settings.email_webhook_secret
    if imap is not None:
        yield lambda: _by_imap(imap)
    if webhook is not None:
        yield lambda: _by_webhook(webhook)


async def _by_imap(url: SecretStr) -> str:
    server = MailServer.of(url)
    try:
        async with open_mailbox(server, PATIENCE):
            return f"{server.folder or 'INBOX'} at {server.host}"
    except (MailboxAway, MailboxRefuses) as error:
        told = str(error)
    raise SetupError(told if "IMAP_URL" in told else f"{told} Look at IMAP_URL.")


async def _by_webhook(secret: SecretStr) -> str:
    try:
        standard_webhooks.sign(secret, "doctor", datetime.now(UTC), b"")
    except ValueError:
        raise SetupError(
            "EMAIL_WEBHOOK_SECRET has to be `whsec_` and at least 16 bytes in base64."
        ) from None
    return "/api/webhooks/email"


async def _by_smtp(url: SecretStr, address: str) -> str:
    server = MailServer.of(url)
    smtp = SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password.get_secret_value() if server.password else None,
        local_hostname=address.partition("@")[2],
        timeout=PATIENCE,
        use_tls=server.encryption is Encryption.TLS,
        start_tls=server.encryption is Encryption.STARTTLS,
    )
    try:
        async with asyncio.timeout(_WHOLE), smtp:
            await smtp.noop()
    except (aiosmtplib.SMTPException, OSError) as error:
        raise SetupError(f"{_what_is_wrong(error)} Look at SMTP_URL.") from None
    return f"{address} by {server.host}"


def _what_is_wrong(error: Exception) -> str:
    """In our words: the server's own may quote the login."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"The mail server refuses our password ({error.code})."
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"The mail server refuses us ({error.code})."
    if "STARTTLS" in str(error) or isinstance(error.__cause__ or error, ssl.SSLError):
        return _NO_ENCRYPTION
    if isinstance(error, OSError):
        return "The mail server is not reachable."
    return "The mail server takes no login."
