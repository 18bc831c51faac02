"""The Holdfast under measurement: `holdfast up` in a folder of its own, as a newcomer runs it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from sqlalchemy import make_url

from bench.errors import CannotMeasure
from domain.principals import Role
from holdfast.folder import DataFolder
from holdfast.ports import free_port
from holdfast.processes import Command
from holdfast.programs import Program
from holdfast.readiness import base_url, what_is_missing
from holdfast.settings import Settings, variable
from holdfast.stack import running_stack
from holdfast.tokens import issue_token

HOST = "127.0.0.1"
AGENT = "agent-0"
"""Whose `agent_token` is."""
ROOT = Path(__file__).parents[1]
"""What is measured is the source beside us, wherever we are started."""
_LIMITS = (
    "RATE_LIMIT_CALLER",
    "RATE_LIMIT_MESSAGES",
    "RATE_LIMIT_VISITORS",
    "SOCKETS_PER_ADDRESS",
)
_UNLIMITED = 10_000_000
"""Of whatever is limited: one caller, at one address, does here what thousands do elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A running stack. `admin_key` may do all, `agent_token` is what an agent's socket brings."""

    folder: Path
    url: str
    database_url: str
    temporal_address: str
    admin_key: str
    jwt_secret: str
    agent_token: str

    def token_of(self, agent_id: str) -> str:
        """Another agent's."""
        return _agent_token(self.jwt_secret, agent_id)

    def environment(self) -> dict[str, str]:
        """For one more process of the stack."""
        return _environment(self.folder) | {
            "DATABASE_URL": self.database_url,
            "JWT_SECRET": self.jwt_secret,
            "TEMPORAL_ADDRESS": self.temporal_address,
        }

    def dsn_of(self, database: str) -> str:
        """Another database on the same server."""
        return make_url(self.database_url).set(database=database).render_as_string(False)

    def process(self, name: str) -> psutil.Process:
        """One of the stack's processes: `api`, `worker`, `postgres` or `temporal`."""
        stack = running_stack(_data(self.folder))
        process = stack.processes[name].process() if stack and name in stack.processes else None
        if process is None:
            raise CannotMeasure(f"{name} does not run; see {self.folder / 'up.log'}")
        return process


@asynccontextmanager
async def running_house(folder: Path) -> AsyncIterator[House]:
    """Start the stack in `folder`, which must be the working folder: `.env` is read from there.

    Ends with the block, or when we die.
    """
    settings = Settings(host=HOST, ports=(free_port(),))

    async def ready() -> bool:
        return not await asyncio.to_thread(what_is_missing, settings)

    command = Command(
        name="holdfast up",
        argv=[sys.executable, "-m", "holdfast", "up"],
        environment=_environment(folder) | _listening(settings),
        output=folder / "up.log",
        grace=30,
    )
    async with Program(command, ready, patience=90):
        yield _look_around(folder, settings)


@asynccontextmanager
async def fresh_api(house: House) -> AsyncIterator[tuple[str, psutil.Process]]:
    """One more API process of the stack, its address and itself, with nothing yet in its memory."""
    settings = Settings(host=HOST, ports=(free_port(),))

    async def ready() -> bool:
        return not await asyncio.to_thread(what_is_missing, settings)

    command = Command(
        name="api",
        argv=[sys.executable, "-m", "holdfast", "api"],
        environment=house.environment() | _listening(settings),
        output=house.folder / "fresh-api.log",
    )
    async with Program(command, ready) as program:
        assert program.pid is not None
        yield base_url(settings), psutil.Process(program.pid)


async def is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


def _look_around(folder: Path, settings: Settings) -> House:
    """Raises CannotMeasure unless the servers are the stack's own: it is going to be filled."""
    data = _data(folder)
    stack, key, secret = running_stack(data), data.admin_key(), data.jwt_secret()
    if not (stack and stack.database_url and stack.temporal_address and key and secret):
        raise CannotMeasure("the stack does not run on embedded servers")
    return House(
        folder=folder,
        url=base_url(settings),
        database_url=stack.database_url,
        temporal_address=stack.temporal_address,
        admin_key=key,
        jwt_secret=secret,
        agent_token=_agent_token(secret, AGENT),
    )


def _agent_token(secret: str, agent_id: str) -> str:
    return issue_token(
        secret,
        role=Role.AGENT,
        subject=agent_id,
        name="Bench Agent",
        valid_for=timedelta(hours=1),
    )


def _listening(settings: Settings) -> dict[str, str]:
    """Where the API is to be."""
    return {"HOLDFAST_HOST": settings.host, "HOLDFAST_PORT": str(settings.ports[0])}


def _environment(folder: Path) -> dict[str, str]:
    """Ours without any setting of Holdfast or Temporal, so that defaults are measured."""
    ours = {variable(name) for name in Settings.model_fields}
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ours and not key.startswith("TEMPORAL_")
    }
    return kept | {
        "PYTHONPATH": str(ROOT),
        "HOLDFAST_DATA": str(_data(folder).path),
        "HOLDFAST_TEMPORAL_PORT": str(free_port()),
        "HOLDFAST_TEMPORAL_UI_PORT": str(free_port()),
        **dict.fromkeys(_LIMITS, str(_UNLIMITED)),
        # Otherwise the SDK would read the cluster of the developer's own profile.
        "TEMPORAL_CONFIG_FILE": str(folder / "no-profile.toml"),
    }


def _data(folder: Path) -> DataFolder:
    return DataFolder(folder / "data")
