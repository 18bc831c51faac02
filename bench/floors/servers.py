"""Starts the floors, each in a process of its own, on the servers that Holdfast uses."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import AsyncConnection
from temporalio.client import Client

from bench.client.http import Http
from bench.floors.inserts import SCHEMA
from bench.house import HOST, ROOT, House, is_listening
from holdfast.ports import free_port
from holdfast.processes import Command
from holdfast.programs import Program

_DATABASE = "floors"


@dataclass(frozen=True, slots=True)
class FloorServer:
    """A bare API that runs."""

    url: str
    pid: int
    http: Http


@dataclass(frozen=True, slots=True)
class Floors:
    """All floors, running. `api` is A, B and F, `sockets` is E, `temporal` reaches C and D."""

    api: FloorServer
    sockets: FloorServer
    temporal: Client


@asynccontextmanager
async def running_floors(house: House) -> AsyncIterator[Floors]:
    """A database of their own on the house's PostgreSQL, its Temporal, and three processes."""
    dsn = await _make_database(house)
    address = house.temporal_address
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            Program(_command(house.folder, "worker", "worker", [address, dsn]))
        )
        yield Floors(
            api=await stack.enter_async_context(_api(house.folder, "api", dsn)),
            sockets=await stack.enter_async_context(_api(house.folder, "sockets", dsn)),
            temporal=await Client.connect(address),
        )


@asynccontextmanager
async def fresh_floor(house: House) -> AsyncIterator[FloorServer]:
    """One more of floor E, with nothing yet in its memory; the other floors are running."""
    async with _api(house.folder, "fresh", house.dsn_of(_DATABASE)) as server:
        yield server


@asynccontextmanager
async def _api(folder: Path, name: str, dsn: str) -> AsyncIterator[FloorServer]:
    port = free_port()

    async def ready() -> bool:
        return await is_listening(port)

    async with Program(_command(folder, name, "api", [str(port), dsn]), ready) as program:
        assert program.pid is not None
        url = f"http://{HOST}:{port}"
        http = Http(url)
        try:
            yield FloorServer(url, program.pid, http)
        finally:
            http.close()


def _command(folder: Path, name: str, module: str, arguments: Sequence[str]) -> Command:
    return Command(
        name=f"floor {name}",
        argv=[sys.executable, "-m", f"bench.floors.{module}", *arguments],
        environment=os.environ | {"PYTHONPATH": str(ROOT)},
        output=folder / f"floor-{name}.log",
    )


async def _make_database(house: House) -> str:
    async with await AsyncConnection.connect(house.database_url, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {_DATABASE}")
    dsn = house.dsn_of(_DATABASE)
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(SCHEMA)
    return dsn
