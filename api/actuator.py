"""Seed 003: whether the service can do work, as monitors that know Spring Boot ask for it."""

from typing import Literal

from fastapi import Response
from pydantic import BaseModel

from api.access import allow_anybody
from api.routes import Routes
from api.services import ServicesDep

router = Routes(
    prefix="/actuator",
    tags=["Health"],
    malformed=400,
    dependencies=[allow_anybody(unlimited=True)],
)


class Component(BaseModel):
    status: Literal["UP", "DOWN"]


class Components(BaseModel):
    db: Component
    temporal: Component
    worker: Component


class Vitality(Component):
    components: Components


@router.get(
    "/health",
    responses={503: {"model": Vitality, "description": "A part cannot do work, and which one."}},
)
async def vitality(services: ServicesDep, response: Response) -> Vitality:
    """Say whether database, workflow engine and a worker can do work."""
    parts = await services.readiness.parts()
    if not parts.ready:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return Vitality(
        status=_status(parts.ready),
        components=Components(
            db=Component(status=_status(parts.database)),
            temporal=Component(status=_status(parts.engine)),
            worker=Component(status=_status(parts.worker)),
        ),
    )


def _status(works: bool) -> Literal["UP", "DOWN"]:
    return "UP" if works else "DOWN"
