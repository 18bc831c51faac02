"""A child process of ours: started, waited for, stopped, and never outliving us."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import ServerDidNotStart

PROBE_INTERVAL = 0.03
"""Seconds between two looks at a server that is starting."""

_PR_SET_PDEATHSIG = 1
# Loaded here, because little is safe to do between fork and exec.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run and how to end it.

    `environment` is the whole environment of the child; None passes ours on. `output` takes
    stdout and stderr (appended); None shares ours. `user` drops root's rights. `orphaned` is
    what the kernel sends when we die without a goodbye (Linux).
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] | None = None
    output: Path | None = None
    user: str | None = None
    stop: signal.Signals = signal.SIGTERM
    orphaned: signal.Signals = signal.SIGKILL
    grace: float = 5.0
    """Seconds between the request to stop and SIGKILL."""


class ChildProcess:
    """A running command. Spawn and wait in the same event loop, on the main thread.

    The main thread matters: Linux ties the death signal to the thread that forked.
    """

    def __init__(self, command: Command, process: asyncio.subprocess.Process) -> None:
        self.command = command
        self._process = process

    @classmethod
    async def spawn(cls, command: Command) -> "ChildProcess":
        output = _open_output(command.output)
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                env=command.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=command.user,
                group=command.user,
                extra_groups=[] if command.user else None,
                umask=0o077,
                # Ctrl-C in a terminal must reach us alone: we stop the children in order.
                start_new_session=True,
                preexec_fn=_end_with_parent(command.orphaned),
            )
        except OSError as error:
            raise ServerDidNotStart(
                f"{command.name} cannot be started: {error.strerror}: {error.filename}."
            ) from error
        finally:
            if output is not None:
                os.close(output)
        return cls(command, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to stop, and insist after its grace. Returns when it is gone."""
        self._send(self.command.stop)
        try:
            async with asyncio.timeout(self.command.grace):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        self._send(signal.SIGKILL)
        await self.wait()

    async def until(self, ready: Callable[[], Awaitable[bool]], patience: float) -> None:
        """Return as soon as `ready` says so.

        Raises ServerDidNotStart when the process ends before, or after `patience` seconds.
        """
        name = self.command.name
        try:
            async with asyncio.timeout(patience):
                while not await ready():
                    if self.returncode is not None:
                        raise ServerDidNotStart(f"{name} {how_it_ended(self.returncode)}.")
                    await asyncio.sleep(PROBE_INTERVAL)
        except TimeoutError:
            raise ServerDidNotStart(f"{name} was not ready after {patience:.0f} seconds.") from None

    def _send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def how_it_ended(returncode: int) -> str:
    """`ended with code 1` or `was ended by SIGKILL`."""
    if returncode >= 0:
        return f"ended with code {returncode}"
    return f"was ended by {signal.Signals(-returncode).name}"


def _open_output(path: Path | None) -> int | None:
    if path is None:
        return None
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What the child does before exec, so that a `kill -9` of us ends it too.

    Elsewhere than on Linux there is no such order; the next start ends what is left over.
    """
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # we died before the order was given
            os._exit(1)

    return before_exec
