"""What all tests share: one real PostgreSQL and one real Temporal server for the whole run."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from psycopg import AsyncConnection

from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.embedded.temporal import EmbeddedTemporal
from holdfast.ports import free_port
from store import migrate
from store.database import Database

connect = AsyncConnection.connect


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Temporary folders apart from those of other runs: pytest shuts the folder that all share
    with every run that begins, and PostgreSQL, which is not root, out of its data."""
    if config.option.basetemp is None:
        folder = Path(tempfile.mkdtemp(prefix="holdfast-tests-"))
        config.option.basetemp = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def fresh_name() -> str:
    """Of a database that nobody else has."""
    return f"test_{uuid4().hex}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A running PostgreSQL. Make a database of your own in it: `postgres.dsn_of(name)`."""
    folder = tmp_path_factory.mktemp("shared-postgres") / "postgres"
    async with EmbeddedPostgres(folder, durable=False) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[EmbeddedTemporal]:
    """A running Temporal server with its data in memory: `temporal_server.address`."""
    output = tmp_path_factory.mktemp("shared-temporal") / "temporal.log"
    async with EmbeddedTemporal(port=free_port(), output=output) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(postgres: EmbeddedPostgres) -> str:
    """A migrated database to copy from: copying is quicker than migrating."""
    async with await connect(postgres.dsn, autocommit=True) as connection:
        await connection.execute("CREATE DATABASE template_holdfast")
    await asyncio.to_thread(migrate.upgrade, postgres.dsn_of("template_holdfast"))
    return "template_holdfast"


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A database of the test's own, migrated and empty."""
    name = fresh_name()
    async with await connect(postgres.dsn, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield postgres.dsn_of(name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()
