"""What handlers work with, made once by `create_app`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from limits import RateLimitItemPerSecond

from api.auth import Authenticator
from api.config import ApiConfig
from api.limits import RateLimits
from api.readiness import Probe
from domain.principals import Principal
from store.database import Database
from workflows.engine import Engine


@dataclass(frozen=True)
class Services:
    config: ApiConfig
    database: Database
    engine: Engine
    authenticator: Authenticator
    limits: RateLimits
    readiness: Probe

    async def count_message(self, caller: Principal, on_behalf_of: str | None = None) -> None:
        """Raises TooManyRequests for a customer who writes faster than people do.

        `on_behalf_of` names the customer whose message somebody else brings.
        """
        who = caller.key if caller.is_customer else on_behalf_of
        if who is not None:
            limit = RateLimitItemPerSecond(self.config.rate_limit_messages, 10, "messages")
            (await self.limits.count(limit, who)).require()


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
