from uuid import uuid4

import pytest_asyncio
from psycopg import AsyncConnection, sql

from holdfast.embedded.postgres import EmbeddedPostgres


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database_url(postgres: EmbeddedPostgres) -> str:
    """A database without any schema."""
    name = f"empty_{uuid4().hex}"
    async with await AsyncConnection.connect(postgres.dsn, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return postgres.dsn_of(name)
