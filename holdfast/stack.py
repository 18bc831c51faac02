"""The note that a running `holdfast up` leaves, for commands beside it and for its successor."""

import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

import psutil
from pydantic import BaseModel, ValidationError

from holdfast.folder import DataFolder, write_private


class Mark(BaseModel):
    """A process, told apart from a later one with the same number by when it was created."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Raises psutil.NoSuchProcess."""
        return cls(pid=pid, created=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """None when it has ended. One that nobody has buried yet has ended too."""
        with suppress(psutil.Error):
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.created) < 1
            if same and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None


class Stack(BaseModel):
    """What runs where. Addresses are None for servers that are not ours."""

    up: Mark
    api: str
    database_url: str | None = None
    temporal_address: str | None = None
    processes: dict[str, Mark] = {}

    def save(self, folder: DataFolder) -> None:
        write_private(folder.stack, self.model_dump_json(indent=2) + "\n")

    def saw(self, pids: Mapping[str, int]) -> None:
        """Take down the processes as they are now."""
        marks: dict[str, Mark] = {}
        for name, pid in pids.items():
            with suppress(psutil.Error):
                marks[name] = Mark.of(pid)
        self.processes = marks


def last_stack(folder: DataFolder) -> Stack | None:
    """The note of the last `holdfast up` here, which may be long gone."""
    try:
        return Stack.model_validate_json(folder.stack.read_text())
    except (FileNotFoundError, ValidationError):
        return None


def running_stack(folder: DataFolder) -> Stack | None:
    stack = last_stack(folder)
    return stack if stack and stack.up.process() else None


def end_leftovers(folder: DataFolder) -> None:
    """End what outlived a killed `holdfast up`. The caller holds the folder's lock.

    On Linux the kernel has seen to it already, and we only wait until it is done.
    """
    stack = last_stack(folder)
    if stack is None:
        return
    left = [process for mark in stack.processes.values() if (process := mark.process())]
    for process in left:
        quick = signal.SIGQUIT if process.name() == "postgres" else signal.SIGKILL
        with suppress(psutil.Error):
            process.send_signal(quick)
    _, stubborn = psutil.wait_procs(left, timeout=10)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
