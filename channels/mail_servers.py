"""Mail servers as the settings name them: `smtps://user:password@mail.example.org:465`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr


class Encryption(StrEnum):
    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


_SCHEMES = {
    "smtps": (Encryption.TLS, 465),
    "smtp": (Encryption.STARTTLS, 587),
    "smtp+none": (Encryption.NONE, 25),
    "imaps": (Encryption.TLS, 993),
    "imap": (Encryption.STARTTLS, 143),
    "imap+none": (Encryption.NONE, 143),
}


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    port: int
    encryption: Encryption
    user: str | None = None
    password: SecretStr | None = None
    folder: str = ""
    """Of IMAP: what follows the host; empty where nothing does."""

    @classmethod
    def of(cls, url: SecretStr | str) -> Self:
        """Name and password percent-encoded where need be. Raises ValueError."""
        parts = urlsplit(url.get_secret_value() if isinstance(url, SecretStr) else url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError("a mail server's address looks like smtps://user:password@host")
        encryption, port = _SCHEMES[parts.scheme]
        return cls(
            host=parts.hostname,
            port=parts.port or port,
            encryption=encryption,
            user=unquote(parts.username) if parts.username else None,
            password=SecretStr(unquote(parts.password)) if parts.password else None,
            folder=unquote(parts.path.strip("/")),
        )
