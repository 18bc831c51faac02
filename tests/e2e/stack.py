"""A whole Holdfast that a test may hurt: the real `holdfast up`, in a folder of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from psycopg.rows import dict_row
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from holdfast.stack import Mark, last_stack
from holdfast.stack import Stack as Note
from tests.holdfast.running import House, bare_environment

SERVERS = ("postgres", "temporal", "api", "worker")
_SETTINGS = {"RATE_LIMIT_CALLER": "1000000", "LOG_LEVEL": "info"}
_START = 60.0
_HANG = 20.0
"""Seconds. More than the API may ever take, so that a client which waits so long found a hang."""

Connection = psycopg.AsyncConnection[dict[str, Any]]


class Stack:
    """`up` starts it, and starts it again; `end` ends it, however it was hurt."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.house = House.in_folder(folder)
        self.house.settings |= _SETTINGS | settings
        self.data = self.house.data()
        self.output = folder / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it, and do not wait."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "holdfast", "up"],
                cwd=self.house.folder,
                env={**bare_environment(), **self.house.settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Whoever is frozen in a process group whose leader ends is sent a SIGHUP.
                start_new_session=True,
            )
        return self._process

    def up(self) -> None:
        """Start it; return when it says that it is ready."""
        written = self.output.stat().st_size if self.output.exists() else 0
        process = self.spawn()
        deadline = time.monotonic() + _START
        while b"Ctrl-C stops everything" not in self.output.read_bytes()[written:]:
            assert process.poll() is None, self.last_words()
            assert time.monotonic() < deadline, self.last_words()
            time.sleep(0.05)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; returns the exit code."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def last_words(self) -> str:
        return "".join(self.output.read_text(errors="replace").splitlines(keepends=True)[-40:])

    def family(self) -> list[psutil.Process]:
        """All that it runs, with what those run."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    @property
    def note(self) -> Note:
        note = last_stack(self.data)
        assert note is not None
        return note

    @property
    def servers(self) -> dict[str, Mark]:
        """The processes that run now, by name."""
        return self.note.processes

    def kill(self, *names: str) -> None:
        """`kill -9`, all of them in the same instant."""
        for mark in [self.servers[name] for name in names]:
            os.kill(mark.pid, signal.SIGKILL)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """The nastiest kind of failure: it is there, and takes connections, and never answers."""
        with _frozen(self.servers[name].pid):
            yield

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Kill some servers and keep them from being started again as long as the block lasts."""
        assert self._process is not None
        with _frozen(self._process.pid):
            marks = [self.servers[name] for name in names]
            self.kill(*names)
            psutil.wait_procs([p for m in marks if (p := m.process())], timeout=5)
            yield

    @property
    def url(self) -> str:
        return self.note.api

    @property
    def key(self) -> str:
        key = self.data.admin_key()
        assert key is not None
        return key

    def token(self, role: str, sub: str, *options: str) -> str:
        """A user's token, from the command line."""
        made = self.house.run("token", "--role", role, "--sub", sub, *options)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A client with this token, or with the admin key."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token or self.key}"},
            timeout=_HANG,
            limits=httpx.Limits(max_connections=None),
        )

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        dsn = self.note.database_url
        assert dsn is not None
        async with await psycopg.AsyncConnection.connect(
            dsn, row_factory=dict_row, autocommit=True
        ) as connection:
            yield connection

    async def temporal(self) -> Client:
        address = self.note.temporal_address or self.house.settings["TEMPORAL_ADDRESS"]
        return await Client.connect(address, data_converter=pydantic_data_converter)

    async def readiness(self) -> httpx.Response:
        async with self.client() as client:
            return await client.get("/api/ready")

    async def until_ready(self, within: float = 40) -> None:
        async def ready() -> bool:
            with suppress(httpx.TransportError):
                return (await self.readiness()).status_code == 200
            return False

        await until(ready, within, "the stack is ready")

    async def until_back(self, killed: dict[str, Mark], within: float = 40) -> None:
        """Wait until each of the killed servers has a successor, and the stack is ready."""

        async def replaced() -> bool:
            return all(self.servers.get(name, mark) != mark for name, mark in killed.items())

        await until(replaced, within, f"{', '.join(killed)} started again")
        await self.until_ready(within)


async def until(condition: Callable[[], Awaitable[bool]], within: float, what: str) -> float:
    """Wait until it holds; returns the seconds that took. Fails after `within` seconds."""
    started = time.monotonic()
    while not await condition():
        assert time.monotonic() - started < within, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)
    return time.monotonic() - started


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
