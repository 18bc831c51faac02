"""The desk's own accounts on outside platforms, as the settings name them."""

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Meta:
    """The app at Meta through which WhatsApp and Messenger call us."""

    app_secret: SecretStr | None = None
    verify_token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class WhatsAppAccount:
    phone_number_id: str
    token: SecretStr
    api: str
    """The Graph API's base address, with its version."""

    @property
    def outlet(self) -> str:
        return f"whatsapp-{self.phone_number_id}"


@dataclass(frozen=True, slots=True)
class MessengerAccount:
    page_id: str
    token: SecretStr
    api: str
    """See WhatsAppAccount."""

    @property
    def outlet(self) -> str:
        return f"facebook-{self.page_id}"


@dataclass(frozen=True, slots=True)
class XAccount:
    account_id: str
    token: SecretStr
    api: str

    @property
    def outlet(self) -> str:
        return f"twitter-{self.account_id}"


@dataclass(frozen=True, slots=True)
class Accounts:
    """All of them; None for what is not set up. Messages are taken with the secrets alone, and
    answered where there is an account."""

    meta: Meta = Meta()
    x_consumer_secret: SecretStr | None = None
    whatsapp: WhatsAppAccount | None = None
    messenger: MessengerAccount | None = None
    x: XAccount | None = None
