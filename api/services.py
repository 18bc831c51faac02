"""What handlers work with, made once by `create_app`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.auth import Authenticator
from api.config import ApiConfig
from api.limits import RateLimits
from api.readiness import Probe
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


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
