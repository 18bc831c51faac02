"""Bring a database to the schema of this version."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, exc, make_url, text

from domain.errors import DatabaseUnavailable, NewerDatabase

_LOCK = 0x484F4C44
"""Advisory lock: processes that start together migrate one after the other."""


@dataclass(frozen=True)
class SchemaStatus:
    current: str | None
    head: str

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head


def upgrade(database_url: str) -> None:
    """Run all migrations that are missing.

    Raises DatabaseUnavailable, and NewerDatabase when the schema is of a later version.
    """
    with _connect(database_url) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        if not _status(connection).up_to_date:
            command.upgrade(_config(connection), "head")
        _forget_revisions_of_another_cluster(connection)


def status(database_url: str) -> SchemaStatus:
    """Say which schema the database has, and which one this version wants.

    Raises DatabaseUnavailable, and NewerDatabase when the schema is of a later version.
    """
    with _connect(database_url) as connection:
        return _status(connection)


@contextmanager
def _connect(database_url: str) -> Iterator[Connection]:
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            yield connection
    except exc.OperationalError as error:
        raise DatabaseUnavailable from error
    finally:
        engine.dispose()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _status(connection: Connection) -> SchemaStatus:
    scripts = ScriptDirectory.from_config(_config())
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    if current is not None and current not in {
        script.revision for script in scripts.walk_revisions()
    }:
        raise NewerDatabase
    head = scripts.get_current_head()
    if head is None:
        raise RuntimeError("the migrations are missing from this installation")
    return SchemaStatus(current=current, head=head)


def _forget_revisions_of_another_cluster(connection: Connection) -> None:
    """Revisions are transaction numbers; after a dump and restore they mean nothing."""
    connection.execute(
        text("UPDATE threads SET revision = 0 WHERE revision > pg_current_xact_id()::text::bigint")
    )
    connection.commit()
