"""The XMPP account that the settings name."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bridge.account import Account, ComponentAccount
from bridge.component import Component
from bridge.policy import Policy
from bridge.stream import Stream
from holdfast.errors import SetupError
from holdfast.settings import Settings

_CLIENT_PORTS = {"starttls": 5222, "direct": 5223, "none": 5222}
_COMPONENT_PORT = 5347


@dataclass(frozen=True)
class Xmpp:
    """One account and how it is reached."""

    account: Account | ComponentAccount
    outlet: str
    policy: Policy

    @classmethod
    def of(cls, settings: Settings) -> "Xmpp":
        """Raises SetupError where there is none, and InvalidAccount."""
        jid, outlet = settings.xmpp_jid, settings.xmpp_outlet
        if jid is None or outlet is None:
            raise SetupError(
                "No XMPP account is set. Set XMPP_USERNAME, XMPP_SERVER and XMPP_PASSWORD."
            )
        policy = Policy(jid, settings.xmpp_allowed_domains, settings.xmpp_blocked_domains)
        return cls(_account(settings, jid), outlet, policy)

    def open_stream(self) -> AbstractAsyncContextManager[Stream | Component]:
        """Log in. Raises what `Stream.open` raises."""
        if isinstance(self.account, ComponentAccount):
            return Component.open(self.account, hears=self.policy.hears)
        return Stream.open(self.account, hears=self.policy.hears)


def _account(settings: Settings, jid: str) -> Account | ComponentAccount:
    assert settings.xmpp_password is not None
    host = settings.xmpp_host or jid.rpartition("@")[2]
    if settings.xmpp_mode == "component":
        port = settings.xmpp_port or _COMPONENT_PORT
        return ComponentAccount(
            bare_jid=jid,
            secret=settings.xmpp_password,
            host=host,
            port=port,
            ca_file=settings.xmpp_ca_file,
        )
    return Account(
        bare_jid=jid,
        password=settings.xmpp_password,
        host=host,
        port=settings.xmpp_port or _CLIENT_PORTS[settings.xmpp_tls],
        tls=settings.xmpp_tls,
        ca_file=settings.xmpp_ca_file,
        resource=settings.xmpp_resource,
    )
