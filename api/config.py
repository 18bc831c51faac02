"""Everything the API needs to know of the settings."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from api.jwks import require_safe_address
from channels.accounts import Accounts, MessengerAccount, WhatsAppAccount, XAccount
from domain.assistance import AssistPolicy
from domain.conversation_life import ConversationPolicy
from domain.deadlines import DeadlinePolicy
from domain.models import Channel
from domain.principals import Role


class OidcConfig(BaseModel):
    """One OpenID Connect issuer whose tokens open the API, Cognito or any other."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    """Exactly as tokens write it in `iss`."""
    audience: str
    groups: Mapping[str, Role]
    """Which role a member of a group has; who is in several groups has the highest."""
    token_use: Literal["access", "id"] = "access"  # noqa: S105  no password

    @field_validator("issuer")
    @classmethod
    def _reached_safely(cls, issuer: str) -> str:
        require_safe_address(issuer)
        return issuer

    @model_validator(mode="after")
    def _grants_staff_roles_only(self) -> Self:
        """An issuer vouches for our staff. It never says who a customer is.

        Customers are recognised by the e-mail in their token, and many issuers let people
        claim one that was never verified.
        """
        for group, role in self.groups.items():
            if role not in (Role.AGENT, Role.ADMIN):
                raise ValueError(f"group {group!r} can be agent or admin, not {role.value}")
        return self


class ApiConfig(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: str
    jwt_secret: SecretStr
    policy: DeadlinePolicy
    frontend_url: str | None = None
    """The one origin that browsers may call from, such as `https://desk.example`."""
    oidc: OidcConfig | None = None
    rate_limit_caller: int = Field(default=1000, gt=0)
    """Requests a minute, for each user, each service key and each unknown address."""
    rate_limit_messages: int = Field(default=20, gt=0)
    """Messages in ten seconds, for each customer."""
    rate_limit_visitors: int = Field(default=10, gt=0)
    """New visitors a minute, for each address."""
    chat: ConversationPolicy
    agent_capacity: int = 3
    """Conversations at once, for agents of whom nothing else was said."""
    trust_fingerprint: bool = False
    """A fingerprint alone resumes a visitor's conversation."""
    visitor_token_expires_in: timedelta = timedelta(days=30)
    demo: bool = False
    sockets_per_visitor: int = Field(default=10, gt=0)
    sockets_per_address: int = Field(default=10_000, gt=0)
    assistance: AssistPolicy = AssistPolicy()
    attachments: str = ".holdfast/attachments"
    """Where files are kept, see `store.blobs.Blobs.open`."""
    xmpp_outlet: str | None = None
    """By which replies go to XMPP, like `xmpp-support@example.org`; None: they are fetched."""
    accounts: Accounts = Accounts()
    email_address: str | None = None
    """That people write to, and from which they are answered."""
    email_webhook_secret: SecretStr | None = None
    """Signs the mail that is posted to us; `whsec_…`."""
    rate_limit_webhook: int = Field(default=10_000, gt=0)
    """Calls a minute of each platform's webhook, with a valid signature."""
    webhook_allowed_hosts: frozenset[str] = frozenset()
    """On private networks, and called by outgoing webhooks all the same."""
    redis_url: str | None = None
    """Where several API processes count together; without it, each counts for itself."""

    def outlet_of(self, channel: Channel) -> str | None:
        """By which replies go out on a channel; None where they are fetched, or nobody sends
        them."""
        account: WhatsAppAccount | MessengerAccount | XAccount | None
        match channel:
            case Channel.XMPP:
                return self.xmpp_outlet
            case Channel.EMAIL:
                return f"email-{self.email_address}" if self.email_address else None
            case Channel.WHATSAPP:
                account = self.accounts.whatsapp
            case Channel.FACEBOOK:
                account = self.accounts.messenger
            case Channel.TWITTER:
                account = self.accounts.x
            case _:
                return None
        return account.outlet if account else None
