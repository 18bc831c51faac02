"""The one insert that every floor does: one statement, one commit, on a kept connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

SCHEMA = """
CREATE TABLE entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    thread text NOT NULL,
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_INSERT = "INSERT INTO entries (thread, content) VALUES (%s, %s) RETURNING id"
_CONNECTIONS = 10  # as many as a process of Holdfast holds


class Inserts:
    """A pool of connections, the last one used first."""

    def __init__(self, connections: list[AsyncConnection]) -> None:
        self._idle: asyncio.LifoQueue[AsyncConnection] = asyncio.LifoQueue()
        for connection in connections:
            self._idle.put_nowait(connection)

    async def insert(self, thread: str, content: str) -> int:
        """The new row's id."""
        connection = await self._idle.get()
        try:
            cursor = await connection.execute(_INSERT, (thread, content))
            row = await cursor.fetchone()
        finally:
            self._idle.put_nowait(connection)
        assert row is not None
        return int(row[0])


@asynccontextmanager
async def open_inserts(dsn: str) -> AsyncIterator[Inserts]:
    connections = [await AsyncConnection.connect(dsn, autocommit=True) for _ in range(_CONNECTIONS)]
    try:
        yield Inserts(connections)
    finally:
        for connection in connections:
            await connection.close()
