"""The data folder: what `holdfast up` keeps, and the lock that makes it ours."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.errors import AlreadyRunning, InvalidSetting

_LARGEST_LOG = 10 * 1024 * 1024


class DataFolder:
    """Paths and secrets under HOLDFAST_DATA. Every secret is a file for its owner alone (0600)."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"
        self.temporal = self.path / "temporal.db"
        self.stack = self.path / "run" / "stack.json"
        self.attachments = self.path / "attachments"
        self._lock = self.path / "run" / "lock"
        self._jwt_secret = self.path / "jwt-secret"
        self._admin_key = self.path / "admin-key"

    def make(self) -> None:
        """Raises InvalidSetting when the folder cannot be written."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("run", "log"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise InvalidSetting(
                f"HOLDFAST_DATA cannot be used: {error.strerror}: {error.filename}."
            ) from error

    def log(self, name: str) -> Path:
        """Where a server writes what it has to say. One that has grown large is put aside."""
        path = self.path / "log" / f"{name}.log"
        if path.exists() and path.stat().st_size > _LARGEST_LOG:
            path.replace(path.with_suffix(".log.old"))
        return path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one here. The kernel lets go of the lock however we end.

        Raises AlreadyRunning.
        """
        with self._lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"Holdfast is already running on {self.path}. Stop it first, or set "
                    "HOLDFAST_DATA, HOLDFAST_PORT, HOLDFAST_TEMPORAL_PORT and "
                    "HOLDFAST_TEMPORAL_UI_PORT to run another one beside it."
                ) from None
            yield

    def jwt_secret(self) -> str | None:
        return _read(self._jwt_secret)

    def ensure_jwt_secret(self) -> str:
        """Made once, so that tokens stay valid over restarts."""
        found = self.jwt_secret()
        if found is None:
            found = secrets.token_urlsafe(48)
            write_private(self._jwt_secret, found)
        return found

    def admin_key(self) -> str | None:
        return _read(self._admin_key)

    def keep_admin_key(self, key: str) -> None:
        write_private(self._admin_key, key)


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone; nobody ever sees half of it."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None
