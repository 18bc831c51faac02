"""Is the process alive, and can it do work? For people, load balancers and orchestrators."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import Response
from pydantic import BaseModel, Field

from api.access import allow_anybody
from api.routes import Routes
from api.services import ServicesDep

router = Routes(prefix="/api", tags=["Health"], dependencies=[allow_anybody(unlimited=True)])

PartState = Literal["ok", "unavailable"]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Health(BaseModel):
    status: Literal["healthy"] = "healthy"
    timestamp: datetime = Field(default_factory=_now)
    service: Literal["omnichannel-support-api"] = "omnichannel-support-api"


class Readiness(BaseModel):
    """`ready` only when every part is ok: without one of them, some calls would fail."""

    ready: bool
    timestamp: datetime = Field(default_factory=_now)
    database: PartState
    engine: PartState
    worker: PartState


@router.get("/health")
async def health() -> Health:
    """Say that the process runs; it looks at nothing else."""
    return Health()


@router.get(
    "/ready",
    responses={503: {"model": Readiness, "description": "A part cannot do work, and which one."}},
)
async def ready(services: ServicesDep, response: Response) -> Readiness:
    """Say whether database, workflow engine and a worker can do work."""
    parts = await services.readiness.parts()
    if not parts.ready:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return Readiness(
        ready=parts.ready,
        database=_state(parts.database),
        engine=_state(parts.engine),
        worker=_state(parts.worker),
    )


def _state(works: bool) -> PartState:
    return "ok" if works else "unavailable"
