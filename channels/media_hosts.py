"""From which hosts files are fetched that came with a message, and which of them see our token.

A message names its files' addresses, and whoever can forge a message could name any: so only the
platforms' own hosts are asked, and a token goes to exactly those that ask for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from channels.accounts import Accounts
from channels.meta_media import MEDIA_HOSTS, MEDIA_SUFFIXES
from domain.models import Channel

_OFFICIAL = frozenset({"graph.facebook.com", "api.x.com", "api.twitter.com"})
_X_WITH_TOKEN = frozenset({"ton.twitter.com", "ton.x.com"})
_X_SUFFIXES = (".twimg.com",)
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class MediaHosts:
    """The hosts of one channel. `api` is the base address of its API, which may be a stand-in on
    this machine: then what lies beside it is fetched too, be it without TLS."""

    with_token: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    api: str | None = None
    token: SecretStr | None = None

    @classmethod
    def of(cls, channel: Channel, accounts: Accounts) -> "MediaHosts":
        """Channels whose messages bring no files have no hosts."""
        match channel:
            case Channel.WHATSAPP:
                whatsapp = accounts.whatsapp
                api, token = (whatsapp.api, whatsapp.token) if whatsapp else (None, None)
                return cls(frozenset(MEDIA_HOSTS), MEDIA_SUFFIXES, api, token)
            case Channel.FACEBOOK:
                # Its addresses are signed, and good for everybody.
                api = accounts.messenger.api if accounts.messenger else None
                return cls(frozenset(), MEDIA_SUFFIXES, api)
            case Channel.TWITTER:
                x = accounts.x
                api, token = (x.api, x.token) if x else (None, None)
                return cls(_X_WITH_TOKEN, _X_SUFFIXES, api, token)
            case _:
                return cls()

    def know(self, url: str) -> bool:
        """Whether a file may be fetched from there."""
        host = _host_with_tls(url)
        ours = host in self.with_token or host.endswith(self.suffixes) if host else False
        return ours or self._is_beside_api(url)

    def headers(self, url: str) -> dict[str, str]:
        """What is sent along: the token, where it is asked for."""
        if self.token is None:
            return {}
        if _host_with_tls(url) in self.with_token or self._is_beside_api(url):
            return {"Authorization": f"Bearer {self.token.get_secret_value()}"}
        return {}

    def _is_beside_api(self, url: str) -> bool:
        place = _place(url)
        return place is not None and self.api is not None and place == _place(self.api)


def stand_ins(accounts: Accounts) -> frozenset[str]:
    """`host:port` of APIs that are not the platforms' own, and may be on private networks."""
    return frozenset(_private_places(accounts))


def _private_places(accounts: Accounts) -> Iterator[str]:
    for account in (accounts.whatsapp, accounts.messenger, accounts.x):
        place = _place(account.api) if account else None
        if place is not None and place[1] not in _OFFICIAL:
            _, host, port = place
            yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host_with_tls(url: str) -> str:
    """Empty for an address without TLS, or on a port of its own."""
    place = _place(url)
    return place[1] if place and (place[0], place[2]) == ("https", 443) else ""


def _place(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no plain web address."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port
