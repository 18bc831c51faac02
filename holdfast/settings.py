"""Every setting of Holdfast, with its variable, its default and its meaning.

This is the one list: `docs/settings.md` is written from it (`python -m holdfast.settings_page`).
Temporal's own variables (TEMPORAL_ADDRESS and so on) are not here; the SDK reads them.
"""

import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv import load_dotenv
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from channels.jids import InvalidJid, bare_jid, domain_name
from domain.assistance import ASSISTED, AssistPolicy
from domain.conversation_life import ConversationPolicy
from domain.deadlines import DeadlinePolicy
from domain.models import Priority
from domain.principals import Role
from holdfast.addresses import http_address
from holdfast.channel_settings import ChannelSettings
from holdfast.durations import Duration
from holdfast.errors import InvalidSetting

SAFE_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 should be no shorter than its hash."""


def _ports(value: object) -> tuple[int, ...]:
    spelled = value.split(",") if isinstance(value, str) else value
    try:
        ports = tuple(int(each) for each in spelled)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        ports = ()
    if not ports or len(set(ports)) < len(ports) or not all(0 < port < 65536 for port in ports):
        raise ValueError("must be a port from 1 to 65535, or several with commas: 8000,8383")
    return ports


def _roles(value: object) -> dict[str, Role]:
    try:
        groups = json.loads(value) if isinstance(value, str) else value
        roles = {group: Role(role) for group, role in groups.items()}  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        roles = {"": Role.SERVICE}
    if not {Role.AGENT, Role.ADMIN}.issuperset(roles.values()):
        raise ValueError('must be JSON like {"support": "agent"}; the roles are agent and admin')
    return roles


def _postgresql(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    return value


def _redis(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must look like redis://host:6379/0")
    return value


def _web_address(value: str) -> str:
    """Scheme and host; http only on this machine, because keys and tokens travel there."""
    parts = urlsplit(value)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or parts.scheme not in ({"http", "https"} if local else {"https"}):
        raise ValueError("must start with https:// (http:// only on this machine)")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.scheme not in {"http", "https"} or parts.path.strip("/"):
        raise ValueError("must be an origin like https://support.example.com, without a path")
    return value.rstrip("/")


def _assisted(value: object) -> frozenset[str]:
    spelled = value.split(",") if isinstance(value, str) else value
    try:
        named = {each.strip().lower() for each in spelled}  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        named = {""}
    if not named <= {*ASSISTED, "all", "none"}:
        raise ValueError(f"must be all, none, or of these, with commas: {', '.join(ASSISTED)}")
    if "all" in named:
        return frozenset(ASSISTED)
    return frozenset(named - {"none"})


def _domains(value: object) -> frozenset[str]:
    spelled = value.split(",") if isinstance(value, str) else value
    try:
        return frozenset(domain_name(each.strip()) for each in spelled)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ValueError("must be domains, with commas: example.org,example.com") from None


Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[tuple[int, ...], NoDecode, PlainValidator(_ports)]
Domains = Annotated[frozenset[str], NoDecode, PlainValidator(_domains)]
Assisted = Annotated[frozenset[str], NoDecode, PlainValidator(_assisted)]
RoleOfGroup = Annotated[dict[str, Role], NoDecode, PlainValidator(_roles)]
PerMinute = Annotated[int, Field(ge=1)]


class Settings(ChannelSettings):
    """Read from the environment; `load_settings` is the way in.

    An empty variable counts as not set. In code, fields go by their own names.
    """

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    host: str = Field(
        "127.0.0.1",
        validation_alias="HOLDFAST_HOST",
        description="The address to listen on; `0.0.0.0` for all of the machine's.",
    )
    ports: Ports = Field(
        (8000,),
        validation_alias="HOLDFAST_PORT",
        description="The port of the API, or several with commas: `8000,8383,9094`.",
    )
    data: Path = Field(
        Path(".holdfast"),
        validation_alias="HOLDFAST_DATA",
        description="The folder of the embedded servers' data and secrets.",
    )
    temporal_port: Port = Field(
        7233,
        validation_alias="HOLDFAST_TEMPORAL_PORT",
        description="The port of the embedded Temporal server.",
    )
    temporal_ui_port: Port = Field(
        8233,
        validation_alias="HOLDFAST_TEMPORAL_UI_PORT",
        description="The port of the embedded Temporal server's web interface.",
    )

    database_url: Annotated[SecretStr, AfterValidator(_postgresql)] | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="A PostgreSQL of your own, `postgresql://…`; without it, the embedded one.",
    )
    database_pool_size: Annotated[int, Field(ge=1, le=500)] = Field(
        10,
        validation_alias="DATABASE_POOL_SIZE",
        description="Database connections that each process may hold.",
    )
    redis_url: Annotated[SecretStr, AfterValidator(_redis)] | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="A Redis in which all API processes count rate limits together, `redis://…`.",
    )

    jwt_secret: SecretStr | None = Field(
        None,
        validation_alias="JWT_SECRET",
        description="Signs the tokens of users. With `DATABASE_URL` it is required; the embedded "
        "stack makes one and keeps it. 32 bytes or more.",
    )
    jwt_expires_in: Duration = Field(
        timedelta(hours=24),
        validation_alias="JWT_EXPIRES_IN",
        description="How long a token made by `holdfast token` is valid.",
    )
    frontend_url: Annotated[str, AfterValidator(_origin)] | None = Field(
        None,
        validation_alias="FRONTEND_URL",
        description="The one web origin that browsers may call from (CORS).",
    )
    oidc_issuer: Annotated[str, AfterValidator(_web_address)] | None = Field(
        None,
        validation_alias="OIDC_ISSUER",
        description="Takes agents' tokens from this issuer (Cognito, or any other).",
    )
    oidc_audience: str | None = Field(
        None,
        validation_alias="OIDC_AUDIENCE",
        description="The `aud` or `client_id` that such a token must name. "
        "Required with `OIDC_ISSUER`.",
    )
    oidc_groups: RoleOfGroup = Field(
        {},
        validation_alias="OIDC_GROUPS",
        description='Which group of the issuer has which role: `{"support": "agent"}`.',
    )
    oidc_token_use: Literal["access", "id"] = Field(
        "access",
        validation_alias="OIDC_TOKEN_USE",
        description="Which of the issuer's tokens are taken.",
    )

    ticket_auto_close: Duration = Field(
        timedelta(days=7),
        validation_alias="TICKET_AUTO_CLOSE",
        description="A resolved ticket closes by itself after this.",
    )
    first_response_urgent: Duration = Field(
        timedelta(minutes=15),
        validation_alias="SLA_FIRST_RESPONSE_URGENT",
        description="The first reply to an urgent ticket is due after this.",
    )
    first_response_high: Duration = Field(
        timedelta(hours=1),
        validation_alias="SLA_FIRST_RESPONSE_HIGH",
        description="The same for priority high.",
    )
    first_response_medium: Duration = Field(
        timedelta(hours=4),
        validation_alias="SLA_FIRST_RESPONSE_MEDIUM",
        description="The same for priority medium.",
    )
    first_response_low: Duration = Field(
        timedelta(hours=8),
        validation_alias="SLA_FIRST_RESPONSE_LOW",
        description="The same for priority low.",
    )
    resolution_urgent: Duration = Field(
        timedelta(hours=4),
        validation_alias="SLA_RESOLUTION_URGENT",
        description="An urgent ticket is to be resolved after this.",
    )
    resolution_high: Duration = Field(
        timedelta(hours=8),
        validation_alias="SLA_RESOLUTION_HIGH",
        description="The same for priority high.",
    )
    resolution_medium: Duration = Field(
        timedelta(hours=24),
        validation_alias="SLA_RESOLUTION_MEDIUM",
        description="The same for priority medium.",
    )
    resolution_low: Duration = Field(
        timedelta(hours=72),
        validation_alias="SLA_RESOLUTION_LOW",
        description="The same for priority low.",
    )

    queue_timeout: Duration = Field(
        timedelta(minutes=5),
        validation_alias="QUEUE_TIMEOUT",
        description="A customer who waits in the live chat's queue for so long is told that "
        "nobody is free.",
    )
    agent_grace: Duration = Field(
        timedelta(seconds=60),
        validation_alias="AGENT_GRACE",
        description="An agent whose sockets are all gone keeps the conversations for so long.",
    )
    customer_grace: Duration = Field(
        timedelta(minutes=30),
        validation_alias="CUSTOMER_GRACE",
        description="A customer whose sockets are all gone is expected back for so long; from the "
        "queue, a question then goes on as a ticket.",
    )
    chat_idle_timeout: Duration = Field(
        timedelta(minutes=30),
        validation_alias="CHAT_IDLE_TIMEOUT",
        description="A conversation in which nobody says anything for so long is closed.",
    )
    assignment: Literal["manual", "auto"] = Field(
        "manual",
        validation_alias="ASSIGNMENT",
        description="Agents accept conversations themselves, or get them: the longest-waiting one "
        "goes to the least loaded agent online.",
    )
    agent_capacity: Annotated[int, Field(ge=0, le=1000)] = Field(
        3,
        validation_alias="AGENT_CAPACITY",
        description="Conversations at once, for agents of whom nothing else was said.",
    )
    livechat_trust_fingerprint: bool = Field(
        False,
        validation_alias="LIVECHAT_TRUST_FINGERPRINT",
        description="A fingerprint alone resumes a visitor's conversation. Only behind a proxy "
        "that has checked who it is: anybody can claim a fingerprint.",
    )
    visitor_token_expires_in: Duration = Field(
        timedelta(days=30),
        validation_alias="VISITOR_TOKEN_EXPIRES_IN",
        description="How long a visitor can come back to a conversation.",
    )
    demo: bool = Field(
        False,
        validation_alias="HOLDFAST_DEMO",
        description="Lets admins fill the queue with samples, by `POST /api/admin/seed`.",
    )

    xmpp_username: str | None = Field(
        None,
        validation_alias="XMPP_USERNAME",
        description="The account that people write to is `XMPP_USERNAME@XMPP_SERVER`; with it, "
        "`holdfast up` runs the bridge.",
    )
    xmpp_server: str | None = Field(
        None, validation_alias="XMPP_SERVER", description="The account's domain."
    )
    xmpp_password: SecretStr | None = Field(
        None,
        validation_alias="XMPP_PASSWORD",
        description="The account's password; of a component, its secret.",
    )
    xmpp_host: str | None = Field(
        None,
        validation_alias="XMPP_HOST",
        description="Where the server is, if not at `XMPP_SERVER`.",
    )
    xmpp_port: Port | None = Field(
        None,
        validation_alias="XMPP_PORT",
        description="Its port: 5222, with `XMPP_TLS=direct` 5223, of a component 5347.",
    )
    xmpp_tls: Literal["starttls", "direct", "none"] = Field(
        "starttls",
        validation_alias="XMPP_TLS",
        description="How the stream is encrypted; `none` only on this machine.",
    )
    xmpp_ca_file: Path | None = Field(
        None,
        validation_alias="XMPP_CA_FILE",
        description="Certificates to trust besides the system's, as PEM.",
    )
    xmpp_resource: str = Field(
        "holdfast",
        validation_alias="XMPP_RESOURCE",
        description="The bridge's own resource. Two bridges of one account share it: it keeps "
        "one that was thought dead from sending.",
    )
    xmpp_mode: Literal["account", "component"] = Field(
        "account",
        validation_alias="XMPP_MODE",
        description="An account on any server, or an external component (XEP-0114) of your own.",
    )
    xmpp_allowed_domains: Domains = Field(
        frozenset(),
        validation_alias="XMPP_ALLOWED_DOMAINS",
        description="Only people of these domains are heard: `example.org,example.com`; empty for "
        "all.",
    )
    xmpp_blocked_domains: Domains = Field(
        frozenset(),
        validation_alias="XMPP_BLOCKED_DOMAINS",
        description="People of these domains are not heard.",
    )
    delivery_patience: Duration = Field(
        timedelta(hours=24),
        validation_alias="DELIVERY_PATIENCE",
        description="A reply that cannot be delivered is tried for so long; then agents are told.",
    )

    ai_model: str | None = Field(
        None,
        validation_alias="AI_MODEL",
        description="The language model that answers, as pydantic-ai names it: "
        "`openai:gpt-5`, `anthropic:claude-sonnet-5`, `ollama:llama4`. Without one, answers come "
        "from the knowledge base by search.",
    )
    ai_base_url: Annotated[str, AfterValidator(http_address)] | None = Field(
        None,
        validation_alias="AI_BASE_URL",
        description="Where the model is served, if not at its maker: any server that speaks "
        "OpenAI's or Anthropic's protocol.",
    )
    ai_api_key: SecretStr | None = Field(
        None, validation_alias="AI_API_KEY", description="The key for the model's server."
    )
    ai_embedding_model: str | None = Field(
        None,
        validation_alias="AI_EMBEDDING_MODEL",
        description="The model that finds articles by meaning, like "
        "`openai:text-embedding-3-small`, at the same server. Without one, they are found by "
        "their words.",
    )
    assist_channels: Assisted = Field(
        frozenset(ASSISTED),
        validation_alias="ASSIST_CHANNELS",
        description="Where the assistant answers first: channels with commas, `livechat` among "
        "them; `all`, or `none`.",
    )
    assist_deadline: Duration = Field(
        timedelta(seconds=20),
        validation_alias="ASSIST_DEADLINE",
        description="A customer hears something from the assistant within this.",
    )

    rate_limit_caller: PerMinute = Field(
        1000,
        validation_alias="RATE_LIMIT_CALLER",
        description="Requests a minute for each user and each service key.",
    )
    rate_limit_messages: Annotated[int, Field(ge=1)] = Field(
        20,
        validation_alias="RATE_LIMIT_MESSAGES",
        description="Messages in ten seconds, for each customer.",
    )

    rate_limit_visitors: PerMinute = Field(
        10,
        validation_alias="RATE_LIMIT_VISITORS",
        description="New live chat visitors a minute, for each address.",
    )
    sockets_per_visitor: Annotated[int, Field(ge=1)] = Field(
        10,
        validation_alias="SOCKETS_PER_VISITOR",
        description="Sockets that one visitor, or one customer, may have open at each API process.",
    )
    sockets_per_address: Annotated[int, Field(ge=1)] = Field(
        10_000,
        validation_alias="SOCKETS_PER_ADDRESS",
        description="Sockets of visitors and customers that one address may have open at each API "
        "process, and connections that have not said who they are.",
    )

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)
    ] = Field(
        "info",
        validation_alias="LOG_LEVEL",
        description="The least important thing to be logged.",
    )
    log_format: Literal["console", "json"] = Field(
        "console",
        validation_alias="LOG_FORMAT",
        description="Logs for people, or one JSON object a line.",
    )

    @model_validator(mode="after")
    def _know_whose_tokens(self) -> Self:
        # Without an audience, a token that the issuer made for any other program would do.
        if self.oidc_issuer and not self.oidc_audience:
            raise ValueError("OIDC_ISSUER is set, so OIDC_AUDIENCE must be set too")
        return self

    @model_validator(mode="after")
    def _know_whole_account(self) -> Self:
        parts = (self.xmpp_username, self.xmpp_server, self.xmpp_password)
        if any(parts) and not all(parts):
            raise ValueError("XMPP_USERNAME, XMPP_SERVER and XMPP_PASSWORD are set together")
        try:
            _ = self.xmpp_jid
        except InvalidJid:
            raise ValueError("XMPP_USERNAME@XMPP_SERVER is no JID") from None
        return self

    @property
    def xmpp_jid(self) -> str | None:
        """The bare JID that people write to; None without a bridge."""
        if self.xmpp_username is None or self.xmpp_server is None:
            return None
        return bare_jid(f"{self.xmpp_username}@{self.xmpp_server}")

    @property
    def xmpp_outlet(self) -> str | None:
        """The outlet of tickets that are answered by the bridge."""
        return None if self.xmpp_jid is None else f"xmpp-{self.xmpp_jid}"

    @property
    def dsn(self) -> str:
        """The database's address, in settings that are complete; see `access.reach_stack`."""
        if self.database_url is None:
            raise InvalidSetting("DATABASE_URL is not set.")
        return self.database_url.get_secret_value()

    def conversation_policy(self) -> ConversationPolicy:
        return ConversationPolicy(
            queue_timeout=self.queue_timeout,
            agent_grace=self.agent_grace,
            customer_grace=self.customer_grace,
            idle_timeout=self.chat_idle_timeout,
        )

    def assist_policy(self) -> AssistPolicy:
        return AssistPolicy(
            channels=self.assist_channels,
            model=self.ai_model is not None,
            deadline=self.assist_deadline,
        )

    def deadline_policy(self) -> DeadlinePolicy:
        return DeadlinePolicy(
            first_response={
                Priority.URGENT: self.first_response_urgent,
                Priority.HIGH: self.first_response_high,
                Priority.MEDIUM: self.first_response_medium,
                Priority.LOW: self.first_response_low,
            },
            resolution={
                Priority.URGENT: self.resolution_urgent,
                Priority.HIGH: self.resolution_high,
                Priority.MEDIUM: self.resolution_medium,
                Priority.LOW: self.resolution_low,
            },
            auto_close=self.ticket_auto_close,
        )


def load_settings() -> Settings:
    """Read the environment, and `.env` in the working folder for what the environment leaves open.

    `.env` goes into the environment, so that Temporal's variables, which the SDK reads by itself,
    may stand there too. Raises InvalidSetting: a sentence for each variable that cannot be read,
    never its value.
    """
    load_dotenv(".env")
    try:
        return Settings()
    except ValidationError as error:
        complaints = (_complaint(each["loc"], each["msg"]) for each in error.errors())
        raise InvalidSetting("\n".join(complaints)) from None


def variable(field: str) -> str:
    """The environment variable of a field: `DATABASE_URL` for `database_url`."""
    return str(Settings.model_fields[field].validation_alias)


def _complaint(location: Iterable[int | str], message: str) -> str:
    """pydantic names the variable first; what concerns several of them names none."""
    sentence = message.removeprefix("Value error, ").removeprefix("Input ")
    return " ".join((*map(str, location), sentence)) + "."
