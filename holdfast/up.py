"""`holdfast up`: everything on one machine, from nothing to ready, until Ctrl-C."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from holdfast import cluster
from holdfast.access import signing_secret
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.embedded.temporal import HOST as TEMPORAL_HOST
from holdfast.embedded.temporal import EmbeddedTemporal
from holdfast.first_key import first_key
from holdfast.folder import DataFolder
from holdfast.ports import check_free
from holdfast.processes import Command
from holdfast.programs import Program
from holdfast.readiness import base_url, until_ready
from holdfast.settings import Settings
from holdfast.stack import Mark, Stack, end_leftovers
from holdfast.supervisor import Supervisor
from holdfast.welcome import welcome
from store import migrate

Tell = Callable[[str], None]


async def up(settings: Settings, tell: Tell) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; then stop all of it. `tell` gets the lines.

    Raises HoldfastError when it cannot start; nothing is left running then either.
    """
    folder = DataFolder(settings.data)
    folder.make()
    with folder.lock(), _stop_signals() as stopped:
        end_leftovers(folder)
        house = _House.plan(settings, folder)
        house.check_ports()
        supervisor = Supervisor(tell, house.note)
        try:
            start = asyncio.create_task(house.start(supervisor, tell))
            await _first(start, stopped)
            await stopped.wait()
            tell("Stopping.")
        finally:
            await supervisor.stop()
            folder.stack.unlink(missing_ok=True)
    tell("Stopped.")


@dataclass
class _House:
    """What runs in this house, and what it takes from elsewhere."""

    settings: Settings
    folder: DataFolder
    postgres: EmbeddedPostgres | None
    temporal: EmbeddedTemporal | None
    database_url: str
    jwt_secret: str
    stack: Stack

    @classmethod
    def plan(cls, settings: Settings, folder: DataFolder) -> "_House":
        if settings.database_url is None:
            postgres = EmbeddedPostgres(folder.postgres, output=folder.log("postgres"))
            database_url = postgres.dsn
            jwt_secret = (
                settings.jwt_secret.get_secret_value()
                if settings.jwt_secret
                else folder.ensure_jwt_secret()
            )
        else:
            postgres = None
            database_url = settings.database_url.get_secret_value()
            jwt_secret = signing_secret(settings).get_secret_value()
        if settings.xmpp_jid is not None:
            _check_account(settings)
        temporal = None
        if not cluster.is_configured():
            temporal = EmbeddedTemporal(
                port=settings.temporal_port,
                ui_port=settings.temporal_ui_port,
                file=folder.temporal,
                output=folder.log("temporal"),
            )
        stack = Stack(
            up=Mark.of(os.getpid()),
            api=base_url(settings),
            database_url=postgres.dsn if postgres else None,
            temporal_address=temporal.address if temporal else None,
        )
        return cls(settings, folder, postgres, temporal, database_url, jwt_secret, stack)

    def check_ports(self) -> None:
        """Say it before anything is started. Raises PortTaken."""
        check_free(self.settings.host, self.settings.ports, "HOLDFAST_PORT")
        if self.temporal:
            check_free(TEMPORAL_HOST, [self.settings.temporal_port], "HOLDFAST_TEMPORAL_PORT")
            check_free(TEMPORAL_HOST, [self.settings.temporal_ui_port], "HOLDFAST_TEMPORAL_UI_PORT")

    def note(self, pids: Mapping[str, int]) -> None:
        self.stack.saw(pids)
        self.stack.save(self.folder)

    async def start(self, supervisor: Supervisor, tell: Tell) -> None:
        tell("Starting …")
        await supervisor.start(*(each for each in (self.postgres, self.temporal) if each))
        await asyncio.to_thread(migrate.upgrade, self.database_url)
        if self.temporal is None:
            await cluster.reach()
        key = await first_key(self.database_url, self.folder) if self.postgres else None
        await supervisor.start(self._program("api"), self._program("worker"))
        await until_ready(self.settings, supervisor.failed)
        if self.settings.xmpp_jid is not None:
            await supervisor.start(self._program("bridge"))
        tell(
            welcome(
                api=self.stack.api,
                temporal_ui=self._temporal_ui(),
                data=self.folder.path,
                key=key,
            )
        )

    def _temporal_ui(self) -> str | None:
        return f"http://{TEMPORAL_HOST}:{self.temporal.ui_port}" if self.temporal else None

    def _program(self, name: str) -> Program:
        environment = os.environ | {
            "DATABASE_URL": self.database_url,
            "JWT_SECRET": self.jwt_secret,
        }
        if self.temporal:
            environment["TEMPORAL_ADDRESS"] = self.temporal.address
        argv = [sys.executable, "-m", "holdfast", name]
        return Program(Command(name=name, argv=argv, environment=environment))


def _check_account(settings: Settings) -> None:
    """Say what is wrong with it before anything is started. Raises InvalidAccount."""
    # Imported here: without an account, nothing of XMPP is needed.
    from holdfast.xmpp import Xmpp

    Xmpp.of(settings)


@contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """Set when somebody wants us to end."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _first(start: asyncio.Task[None], stopped: asyncio.Event) -> None:
    """Wait for `start`, and give it up when we are to stop before it is done."""
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            await start
    finally:
        for task in (start, stop):
            task.cancel()
        await asyncio.gather(start, stop, return_exceptions=True)
