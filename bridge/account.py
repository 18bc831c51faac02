"""Who we are on an XMPP server, and how it is reached."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from bridge.errors import InvalidAccount

Tls = Literal["starttls", "direct", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account like any user's. Raises InvalidAccount.

    `host` and `port` are where to connect, `bare_jid` tells which domain is meant there: the
    server's certificate has to be the domain's. `ca_file` (PEM) is trusted besides the system's
    authorities. The resource is fixed, so that a later login ends an earlier one's stream.
    """

    bare_jid: str
    password: SecretStr
    host: str
    port: int = 5222
    tls: Tls = "starttls"
    ca_file: Path | None = None
    resource: str = "holdfast"

    def __post_init__(self) -> None:
        if self.tls == "none" and not is_loopback(self.host):
            raise InvalidAccount(
                "XMPP_TLS=none sends the password and all messages in the clear: it is only for "
                "a server on this machine (XMPP_HOST=localhost)."
            )
        _check_file(self.ca_file)

    @property
    def full_jid(self) -> str:
        return f"{self.bare_jid}/{self.resource}"

    @property
    def domain(self) -> str:
        return self.bare_jid.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentAccount:
    """An external component (XEP-0114), which has a domain for itself.

    `bare_jid` is whom we speak as where nobody else is named; people may write to any local part.
    `ca_file` (PEM) is trusted where the server wants files to be brought. Raises InvalidAccount.
    """

    bare_jid: str
    secret: SecretStr
    host: str
    port: int = 5347
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        _check_file(self.ca_file)

    @property
    def domain(self) -> str:
        return self.bare_jid.rpartition("@")[2]


def is_loopback(host: str) -> bool:
    """Whether what goes there stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, and those in the file. Raises OSError."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _check_file(ca_file: Path | None) -> None:
    if ca_file is not None and not ca_file.is_file():
        raise InvalidAccount(f"XMPP_CA_FILE names no file: {ca_file}.")
