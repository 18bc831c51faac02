"""A program that runs beside us, and can be started again after it has died."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from holdfast.errors import ServerDidNotStart
from holdfast.processes import ChildProcess, Command


async def _at_once() -> bool:
    return True


class Program:
    """One command, and how to see that it is ready.

    `ready` is asked over and over while the program starts, for at most `patience` seconds.
    Also an async context manager: started inside, stopped after.
    """

    def __init__(
        self,
        command: Command,
        ready: Callable[[], Awaitable[bool]] = _at_once,
        patience: float = 60,
    ) -> None:
        self.command = command
        self.patience = patience
        self._ready = ready
        self._child: ChildProcess | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int | None:
        """None before the first start and after a stop; a program that died keeps its number."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Return when it is ready. Raises ServerDidNotStart, and leaves nothing running then."""
        written = self._output_size()
        self._child = await ChildProcess.spawn(self.command)
        try:
            await self._child.until(self._ready, self.patience)
        except ServerDidNotStart as error:
            await self._child.kill()
            raise ServerDidNotStart(f"{error}{self._last_words(written)}") from None
        except BaseException:
            await self._child.kill()
            raise

    async def wait(self) -> int:
        """Return the exit code when it has ended; see `how_it_ended`."""
        assert self._child is not None
        return await self._child.wait()

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()
            self._child = None

    def _output_size(self) -> int:
        output = self.command.output
        return output.stat().st_size if output and output.exists() else 0

    def _last_words(self, start: int) -> str:
        """What it wrote last, when that goes to a file which nobody is looking at."""
        output = self.command.output
        if output is None:
            return ""
        with output.open(errors="replace") as file:
            file.seek(start)
            lines = file.read().split("\n")
        words = [line.strip() for line in lines if line.strip()][-3:]
        return "".join(f"\n  {line}" for line in words) + f"\nMore in {output}."
