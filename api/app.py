"""The HTTP application, put together."""

from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from api import customers, docs, errors, health, tickets
from api.auth import Authenticator
from api.config import ApiConfig
from api.front import Front
from api.limits import RateLimits
from api.readiness import Probe
from api.services import Services
from store.database import Database
from workflows.engine import Engine

_FAMILIES = (tickets.router, customers.router, health.router, docs.router)

_DESCRIPTION = """\
A support desk whose tickets are durable workflows.

Every endpoint but health and this documentation asks for `Authorization: Bearer …`: a service
key, a JWT, or a token of the OIDC issuer. Every failure is `{"detail": …}`; every answer carries
`RateLimit-*` and `X-Request-ID`.
"""

_TAGS = [
    {"name": "Tickets", "description": "Open, read, answer and steer tickets."},
    {"name": "Customers", "description": "The people who write to us."},
    {"name": "Health", "description": "Whether the service runs and can do work. No token."},
]

_EXPOSED = (
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Request-ID",
    "X-Total-Count",
)


def create_app(config: ApiConfig, database: Database, engine: Engine) -> FastAPI:
    """Build the application over what its owner opened, and will close."""
    services = Services(
        config=config,
        database=database,
        engine=engine,
        authenticator=Authenticator(config, database),
        limits=RateLimits(config.redis_url),
        readiness=Probe(database, engine),
    )
    app = FastAPI(
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


async def _answer(_: Request, error: Exception) -> Response:
    """Answer what failed outside of any route: an unknown address, a wrong method."""
    return errors.answer(error)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
