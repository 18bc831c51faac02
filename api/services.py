"""What handlers work with, made once by `create_app`."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond

from api.auth import Authenticator
from api.config import ApiConfig
from api.limits import RateLimits
from api.readiness import Probe
from api.upload_turns import UploadTurns
from assistant.advice import Adviser
from assistant.desk import DeskAssistant
from domain.models import Channel
from domain.principals import Principal
from store.blobs import Blobs
from store.database import Database
from store.meaning import Meanings
from workflows.engine import Engine


@dataclass(frozen=True)
class Helpers:
    """The language models that help agents; without them, what is built in does."""

    adviser: Adviser | None = None
    desk: DeskAssistant | None = None
    meanings: Meanings | None = None
    """What questions mean; without them, articles are found by their words."""


@dataclass(frozen=True)
class Services:
    config: ApiConfig
    database: Database
    blobs: Blobs
    engine: Engine
    authenticator: Authenticator
    limits: RateLimits
    readiness: Probe
    helpers: Helpers
    uploads: UploadTurns = field(default_factory=UploadTurns)

    async def count_message(self, caller: Principal, on_behalf_of: str | None = None) -> None:
        """Raises TooManyRequests for a customer who writes faster than people do.

        `on_behalf_of` names the customer whose message somebody else brings.
        """
        who = caller.key if caller.is_customer else on_behalf_of
        if who is not None:
            limit = RateLimitItemPerSecond(self.config.rate_limit_messages, 10, "messages")
            (await self.limits.count(limit, who)).require()

    async def count_webhook(self, channel: Channel) -> None:
        """Raises TooManyRequests for a platform that calls more often than is good."""
        limit = RateLimitItemPerMinute(self.config.rate_limit_webhook, 1, "webhooks")
        (await self.limits.count(limit, channel)).require()


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
