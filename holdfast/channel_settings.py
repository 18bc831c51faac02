"""The settings of channels to outside platforms; part of `holdfast.settings.Settings`."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode

from channels.accounts import Accounts, MessengerAccount, Meta, WhatsAppAccount, XAccount
from holdfast.addresses import http_address

_NUMBER = r"^[0-9]{1,30}$"


def _mail_server(*schemes: str) -> AfterValidator:
    def check(value: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(value.get_secret_value())
            readable = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            # Told in other words: those may quote a password that is not percent-encoded.
            readable = False
        if not readable:
            raise ValueError(
                f"must look like {schemes[0]}://user:password@mail.example.org, with odd "
                "characters of a password percent-encoded"
            )
        return value

    return AfterValidator(check)


def _mail_address(value: str) -> str:
    local, at, domain = value.strip().partition("@")
    if not (local and at and domain) or "@" in domain:
        raise ValueError("must be an e-mail address, like support@example.org")
    return value.strip()


def _hosts(value: object) -> frozenset[str]:
    spelled = value.split(",") if isinstance(value, str) else value
    try:
        hosts = frozenset(each.strip().lower() for each in spelled)  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        hosts = frozenset({""})
    if not all(urlsplit(f"//{each}").hostname for each in hosts):
        raise ValueError("must be hosts, with commas: localhost:9000,hooks.internal")
    return hosts


SmtpUrl = Annotated[SecretStr, _mail_server("smtps", "smtp", "smtp+none")]
ImapUrl = Annotated[SecretStr, _mail_server("imaps", "imap", "imap+none")]
Hosts = Annotated[frozenset[str], NoDecode, PlainValidator(_hosts)]


class ChannelSettings(BaseSettings):
    meta_app_secret: SecretStr | None = Field(
        None,
        validation_alias="META_APP_SECRET",
        description="The app's secret at Meta, which signs what WhatsApp and Messenger send.",
    )
    meta_verify_token: SecretStr | None = Field(
        None,
        validation_alias="META_VERIFY_TOKEN",
        description="A word of your own, given to Meta when it verifies the webhooks' address.",
    )
    messenger_page_id: Annotated[str, Field(pattern=_NUMBER)] | None = Field(
        None, validation_alias="MESSENGER_PAGE_ID", description="The Facebook page."
    )
    messenger_page_token: SecretStr | None = Field(
        None,
        validation_alias="MESSENGER_PAGE_TOKEN",
        description="The page's access token, by which replies go out.",
    )
    whatsapp_phone_number_id: Annotated[str, Field(pattern=_NUMBER)] | None = Field(
        None,
        validation_alias="WHATSAPP_PHONE_NUMBER_ID",
        description="Meta's id of the business's phone number; not the number itself.",
    )
    whatsapp_token: SecretStr | None = Field(
        None,
        validation_alias="WHATSAPP_TOKEN",
        description="The access token by which replies go out.",
    )
    graph_api_url: Annotated[str, AfterValidator(http_address)] = Field(
        "https://graph.facebook.com/v24.0",
        validation_alias="GRAPH_API_URL",
        description="Meta's Graph API, with its version.",
    )
    x_consumer_secret: SecretStr | None = Field(
        None,
        validation_alias="X_CONSUMER_SECRET",
        description="The app's consumer secret at X, which signs what X sends.",
    )
    x_account_id: Annotated[str, Field(pattern=_NUMBER)] | None = Field(
        None, validation_alias="X_ACCOUNT_ID", description="The account's user id, a number."
    )
    x_access_token: SecretStr | None = Field(
        None,
        validation_alias="X_ACCESS_TOKEN",
        description="The account's OAuth 2.0 user token, by which replies go out.",
    )
    x_api_url: Annotated[str, AfterValidator(http_address)] = Field(
        "https://api.x.com", validation_alias="X_API_URL", description="The API of X."
    )
    email_address: Annotated[str, AfterValidator(_mail_address)] | None = Field(
        None,
        validation_alias="EMAIL_ADDRESS",
        description="The address that people write to, and from which they are answered.",
    )
    email_name: str = Field(
        "Support",
        validation_alias="EMAIL_NAME",
        description="The name beside that address.",
    )
    smtp_url: SmtpUrl | None = Field(
        None,
        validation_alias="SMTP_URL",
        description="The server by which mail goes out: `smtps://user:password@host`, or "
        "`smtp://…` with STARTTLS; `smtp+none://…` without encryption, on this machine.",
    )
    imap_url: ImapUrl | None = Field(
        None,
        validation_alias="IMAP_URL",
        description="The mailbox that is read: `imaps://user:password@host/INBOX`; `imap://…` and "
        "`imap+none://…` as with `SMTP_URL`.",
    )
    email_webhook_secret: SecretStr | None = Field(
        None,
        validation_alias="EMAIL_WEBHOOK_SECRET",
        description="Signs mail that is posted to `/api/webhooks/email`; `whsec_…`.",
    )
    attachments_url: str | None = Field(
        None,
        validation_alias="ATTACHMENTS_URL",
        description="Where files are kept: `s3://bucket/folder`, with the usual `AWS_…` "
        "variables; without it, in `HOLDFAST_DATA`.",
    )
    webhook_allowed_hosts: Hosts = Field(
        frozenset(),
        validation_alias="WEBHOOK_ALLOWED_HOSTS",
        description="Hosts on private networks that outgoing webhooks may call all the same, like "
        "`localhost:9000,hooks.internal`.",
    )
    rate_limit_webhook: Annotated[int, Field(ge=1)] = Field(
        10_000,
        validation_alias="RATE_LIMIT_WEBHOOK",
        description="Calls a minute of each platform's webhook, with a valid signature.",
    )

    @model_validator(mode="after")
    def _know_whole_accounts(self) -> Self:
        pairs = (
            (
                self.messenger_page_id,
                self.messenger_page_token,
                "MESSENGER_PAGE_ID and MESSENGER_PAGE_TOKEN",
            ),
            (
                self.whatsapp_phone_number_id,
                self.whatsapp_token,
                "WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_TOKEN",
            ),
            (self.x_account_id, self.x_access_token, "X_ACCOUNT_ID and X_ACCESS_TOKEN"),
        )
        for name, secret, both in pairs:
            if (name is None) != (secret is None):
                raise ValueError(f"{both} are set together")
        if (self.smtp_url or self.imap_url or self.email_webhook_secret) and (
            self.email_address is None
        ):
            raise ValueError("EMAIL_ADDRESS must be set too: it is what people write to")
        return self

    def channel_accounts(self) -> Accounts:
        return Accounts(
            meta=Meta(self.meta_app_secret, self.meta_verify_token),
            x_consumer_secret=self.x_consumer_secret,
            whatsapp=WhatsAppAccount(
                self.whatsapp_phone_number_id, self.whatsapp_token, self.graph_api_url
            )
            if self.whatsapp_phone_number_id and self.whatsapp_token
            else None,
            messenger=MessengerAccount(
                self.messenger_page_id, self.messenger_page_token, self.graph_api_url
            )
            if self.messenger_page_id and self.messenger_page_token
            else None,
            x=XAccount(self.x_account_id, self.x_access_token, self.x_api_url)
            if self.x_account_id and self.x_access_token
            else None,
        )
