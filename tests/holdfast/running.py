"""`holdfast` as a person runs it: a process of its own, in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from holdfast.folder import DataFolder
from holdfast.ports import free_port
from holdfast.settings import Settings, variable
from holdfast.stack import Mark, last_stack

ROOT = Path(__file__).parents[2]
_OURS = {variable(name) for name in Settings.model_fields}


def bare_environment() -> dict[str, str]:
    """Ours without any setting of Holdfast or Temporal."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in _OURS and not key.startswith("TEMPORAL_")
    }
    return kept | {"PYTHONPATH": str(ROOT)}


@dataclass
class House:
    """A working folder with its own data and ports. `settings` are its environment."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def in_folder(cls, folder: Path) -> "House":
        names = ("HOLDFAST_PORT", "HOLDFAST_TEMPORAL_PORT", "HOLDFAST_TEMPORAL_UI_PORT")
        return cls(folder, {name: str(free_port()) for name in names})

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            self._argv(*arguments),
            cwd=self.folder,
            env=self._environment(settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start one command, to be written to; all that it says goes to `output`."""
        return subprocess.Popen(
            self._argv(*arguments),
            cwd=self.folder,
            env=self._environment({}),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def up(self) -> "Up":
        """Start everything; return when it says that it is ready."""
        process = subprocess.Popen(
            self._argv("up"),
            cwd=self.folder,
            env=self._environment({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C stops everything" in line:
                break
        return Up(self, process, "".join(lines))

    def data(self) -> DataFolder:
        return DataFolder(self.folder / ".holdfast")

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "holdfast", *arguments]

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        return {**bare_environment(), **self.settings, **settings}


@dataclass
class Up:
    """A running `holdfast up`, and what it has printed so far."""

    house: House
    process: subprocess.Popen[str]
    printed: str

    def marks(self) -> dict[str, Mark]:
        stack = last_stack(self.house.data())
        return stack.processes if stack else {}

    def kill(self, name: str) -> Mark:
        """`kill -9` one of the processes; returns its successor's mark once there is one."""
        killed = self.marks()[name]
        os.kill(killed.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while (mark := self.marks()[name]) == killed:
            assert time.monotonic() < deadline, f"{name} did not come back"
            time.sleep(0.05)
        return mark

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


def alive(marks: Mapping[str, Mark], patience: float = 5) -> list[psutil.Process]:
    """Which of them still live after a while."""
    processes = [process for mark in marks.values() if (process := mark.process())]
    _, living = psutil.wait_procs(processes, timeout=patience)
    return [process for process in living if process.status() != psutil.STATUS_ZOMBIE]
