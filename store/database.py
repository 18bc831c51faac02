"""The connection pool. One request, one activity, one command: one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import exc, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from domain.errors import DatabaseUnavailable

_SESSION_LIMITS = (
    "-c statement_timeout=15s -c lock_timeout=10s -c idle_in_transaction_session_timeout=15s"
    " -c timezone=UTC"
)
"""No client may hold a thread's lock, or wait for one, longer than a caller would."""


class Database:
    """A pool of connections to one PostgreSQL database.

    `dsn` is libpq's `postgresql://…`; at most `pool_size` connections are open at once.
    """

    def __init__(self, dsn: str, pool_size: int = 10) -> None:
        self.dsn = dsn
        self._engine = create_async_engine(
            make_url(dsn).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_use_lifo=True,
            # A failed statement is logged, the words that it carried are not.
            hide_parameters=True,
            connect_args={"options": _SESSION_LIMITS, "connect_timeout": 5},
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        statements = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._readers = async_sessionmaker(statements, expire_on_commit=False)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self._sessions.begin() as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """For single statements that only read, each as of its own instant.

        It saves two round trips, which is half of what such a statement takes.
        """
        async with self._readers() as session:
            yield session

    async def check(self) -> None:
        """Raise DatabaseUnavailable unless the database answers."""
        try:
            async with self.begin() as session:
                await session.execute(text("SELECT 1"))
        except exc.SQLAlchemyError as error:
            raise DatabaseUnavailable from error

    async def close(self) -> None:
        await self._engine.dispose()
