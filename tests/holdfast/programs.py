"""Tiny programs for the tests of what starts programs."""

import sys
from pathlib import Path

from holdfast.processes import Command


def python(source: str, *, name: str = "program", output: Path | None = None) -> Command:
    """A Python that runs `source`, without the time that site-packages take."""
    return Command(name=name, argv=[sys.executable, "-S", "-c", source], output=output, grace=0.3)


def stubborn(ready: Path) -> str:
    """The source of a program that makes the file `ready` and then ignores SIGTERM."""
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    return f"{ignore}; open({str(ready)!r}, 'w').close(); {FOREVER}"


FOREVER = "import time; time.sleep(600)"
