"""The HTTP application, put together."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from api import (
    actuator,
    aichat,
    attachments,
    chat_admin,
    chat_agents,
    chat_customers,
    chat_desk,
    customer_requests,
    customers,
    deliveries,
    docs,
    errors,
    health,
    kb,
    subscriptions,
    suggestions,
    team_chat,
    ticket_list,
    tickets,
    webhook_chatbot,
    webhook_email,
    webhooks,
    xmpp_presence,
    xmpp_responses,
    xmpp_tickets,
    xmpp_webhooks,
)
from api.auth import Authenticator
from api.config import ApiConfig
from api.front import Front
from api.limits import RateLimits
from api.readiness import Probe
from api.services import Helpers, Services
from store.blobs import Blobs
from store.database import Database
from workflows.engine import Engine

_FAMILIES = (
    ticket_list.router,
    tickets.router,
    deliveries.retry_router,
    customer_requests.router,
    customers.router,
    chat_customers.router,
    chat_agents.router,
    chat_desk.router,
    chat_admin.router,
    suggestions.router,
    suggestions.chat_router,
    team_chat.router,
    xmpp_webhooks.router,
    xmpp_responses.router,
    xmpp_tickets.router,
    xmpp_presence.router,
    attachments.router,
    webhooks.meta_router,
    webhooks.router,
    webhook_chatbot.router,
    webhook_email.router,
    subscriptions.router,
    aichat.router,
    kb.router,
    deliveries.router,
    health.router,
    actuator.router,
    docs.router,
)

_DESCRIPTION = """\
A support desk whose tickets are durable workflows.

Every endpoint but health, this documentation, the start of a live chat and the webhooks of
platforms, which sign what they send, asks for `Authorization: Bearer …`: a service key, a JWT, a
token of the OIDC issuer, or that of a chat's visitor. Every failure is `{"detail": …}`, mostly with
a `code` (in team chat and of the assistant `{"error": …}`); every answer carries `RateLimit-*` and
`X-Request-ID`.
"""

_TAGS = [
    {"name": "Tickets", "description": "Open, read, answer and steer tickets."},
    {"name": "Customers", "description": "The people who write to us."},
    {
        "name": "Live chat: customers",
        "description": "Come to chat, talk, and go on as a ticket. A body or query that does not "
        "fit is 400 in the live chat family; 422 is for what fits and makes no sense.",
    },
    {"name": "Live chat: agents", "description": "The queue, and the conversations out of it."},
    {"name": "Live chat: administration", "description": "How much agents take. For admins."},
    {
        "name": "Attachments",
        "description": "Files: uploaded by themselves, then named in messages by their id.",
    },
    {
        "name": "Webhooks",
        "description": "For platforms, which sign what they send, and for chatbots, which hand "
        "over to people by a service key with scope `handoff`.",
    },
    {
        "name": "Webhooks: outgoing",
        "description": "Be called when something happens. For admins; how calls are signed and "
        "repeated is told in docs/webhooks.md.",
    },
    {
        "name": "Suggestions",
        "description": "What the assistant proposes to agents. Nothing of it is sent by itself.",
    },
    {
        "name": "Team chat",
        "description": 'Colleagues among themselves. Every failure is `{"error": …}`.',
    },
    {
        "name": "XMPP: webhooks and polling",
        "description": "For a client that brings what people write over XMPP, and fetches what "
        "they are answered. By a service key with scope `xmpp`.",
    },
    {
        "name": "XMPP: tickets",
        "description": "Tickets of a JID, for back ends and for customers with a token.",
    },
    {
        "name": "Team chat: assistant",
        "description": "Answers to agents, out of their own tickets, the desk's figures and the "
        "knowledge base.",
    },
    {
        "name": "Knowledge base",
        "description": "Articles, from which the assistant answers, and search. Customers see the "
        "public ones.",
    },
    {"name": "Channels", "description": "The accounts by which replies go out to customers."},
    {"name": "Health", "description": "Whether the service runs and can do work. No token."},
]

_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
"""Schemas of a 422 that is not ours."""

_EXPOSED = (
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Request-ID",
    "X-Total-Count",
)


def create_app(
    config: ApiConfig, database: Database, engine: Engine, helpers: Helpers | None = None
) -> FastAPI:
    """Build the application over what its owner opened, and will close."""
    services = Services(
        config=config,
        database=database,
        blobs=Blobs.open(config.attachments),
        engine=engine,
        authenticator=Authenticator(config, database),
        limits=RateLimits(config.redis_url),
        readiness=Probe(database, engine),
        helpers=helpers or Helpers(),
    )
    app = _Application(
        title="Holdfast",
        version=config.version,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        openapi_url=None,
        docs_url=None,
        # A redirect would come before the token is looked at, and to an address of its own making.
        redirect_slashes=False,
        redoc_url=None,
        middleware=_middleware(services),
        exception_handlers={HTTPException: _answer, Exception: _answer},
    )
    app.state.services = services
    for family in _FAMILIES:
        app.include_router(family)
    return app


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document, without the 422 that FastAPI adds where an endpoint describes none: such
        an endpoint never answers it."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for operation in path.values():
                    _drop_unless_described(operation["responses"], "422")
            for name in _FASTAPIS_OWN:
                document["components"]["schemas"].pop(name, None)
        return super().openapi()


def _drop_unless_described(responses: dict[str, Any], status: str) -> None:
    if responses.get(status, {}).get("description") == "Validation Error":
        del responses[status]


def _middleware(services: Services) -> list[Middleware]:
    """Outermost first."""
    config = services.config
    front = Middleware(
        Front,
        authenticator=services.authenticator,
        limits=services.limits,
        per_minute=config.rate_limit_caller,
    )
    if config.frontend_url is None:
        return [front]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[_origin(config.frontend_url)],
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        expose_headers=_EXPOSED,
    )
    return [front, cors]


async def _answer(request: Request, error: Exception) -> Response:
    """Answer what failed outside of any route: an unknown address, a wrong method."""
    return errors.answer(error, _words_at(request.url.path))


def _words_at(path: str) -> errors.Words:
    """Those of the family to which an address belongs, or would."""
    families = [each for each in _FAMILIES if f"{path}/".startswith(f"{each.prefix}/")]
    return max(families, key=lambda family: len(family.prefix)).words if families else errors.USUAL


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
