"""The API process: REST and sockets over one event loop."""

import socket
from importlib.metadata import version

import structlog
import uvicorn

from api.app import create_app
from api.config import ApiConfig, OidcConfig
from api.services import Helpers, Services
from api.socket_frames import SERVER_OPTIONS
from api.sockets import create_sockets
from assistant.embeddings import QuestionMeanings
from holdfast.settings import Settings
from store.postgres_feed import PostgresFeed
from workers import logs
from workers.attachments import place_of_files
from workers.databases import open_database
from workers.garbage import leave_the_start_alone
from workers.models import adviser_of, desk_assistant_of, embedder_of
from workflows.connection import connect
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_GRACE = 3
"""Seconds that open requests get to end when the process is told to."""
_KEEP_ALIVE = 75
"""Seconds. Longer than clients and proxies keep idle connections, so that it is they who close
them: a request that crosses our closing is lost, and its sender cannot know whether it arrived."""


def api_config(settings: Settings) -> ApiConfig:
    if settings.jwt_secret is None:
        raise ValueError("JWT_SECRET is not set; the command line sees to that")
    oidc = None
    if settings.oidc_issuer is not None and settings.oidc_audience is not None:
        oidc = OidcConfig(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            groups=settings.oidc_groups,
            token_use=settings.oidc_token_use,
        )
    return ApiConfig(
        version=version("holdfast"),
        jwt_secret=settings.jwt_secret,
        policy=settings.deadline_policy(),
        frontend_url=settings.frontend_url,
        oidc=oidc,
        rate_limit_caller=settings.rate_limit_caller,
        rate_limit_messages=settings.rate_limit_messages,
        rate_limit_visitors=settings.rate_limit_visitors,
        chat=settings.conversation_policy(),
        agent_capacity=settings.agent_capacity,
        trust_fingerprint=settings.livechat_trust_fingerprint,
        visitor_token_expires_in=settings.visitor_token_expires_in,
        demo=settings.demo,
        sockets_per_visitor=settings.sockets_per_visitor,
        sockets_per_address=settings.sockets_per_address,
        assistance=settings.assist_policy(),
        xmpp_outlet=settings.xmpp_outlet,
        accounts=settings.channel_accounts(),
        email_address=settings.email_address,
        email_webhook_secret=settings.email_webhook_secret,
        rate_limit_webhook=settings.rate_limit_webhook,
        attachments=place_of_files(settings),
        webhook_allowed_hosts=settings.webhook_allowed_hosts,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
    )


def warn_of(config: ApiConfig) -> None:
    """Say loudly what is only safe where somebody has thought about it."""
    if config.trust_fingerprint:
        log.warning(
            "FINGERPRINTS_ARE_TRUSTED",
            setting="LIVECHAT_TRUST_FINGERPRINT",
            meaning="whoever names a visitor's fingerprint reads and writes that visitor's chat; "
            "only safe behind a proxy that has checked who it is",
        )


async def run(settings: Settings, listeners: list[socket.socket]) -> None:
    """Serve on these listening sockets until the process is told to end."""
    logs.configure(settings.log_level, settings.log_format)
    database = open_database(settings)
    engine = Engine(await connect())
    config = api_config(settings)
    warn_of(config)
    embedder = embedder_of(settings)
    helpers = Helpers(
        adviser_of(settings),
        desk_assistant_of(settings),
        QuestionMeanings(embedder) if embedder else None,
    )
    app = create_app(config, database, engine, helpers)
    services: Services = app.state.services
    sockets = create_sockets(services, PostgresFeed(database))
    server = uvicorn.Server(
        uvicorn.Config(
            sockets.asgi(app),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=_KEEP_ALIVE,
            **SERVER_OPTIONS,
        )
    )
    leave_the_start_alone()
    try:
        async with engine.nudging(), sockets.running():
            await server.serve(sockets=listeners)
    finally:
        await database.close()
