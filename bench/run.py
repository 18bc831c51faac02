"""One run: everything is started, measured in turn, and stopped."""

import asyncio
import contextlib
import re
import resource
import signal
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from temporalio.exceptions import TemporalError

from bench.errors import CannotMeasure
from bench.plan import Step, plan
from bench.rig import set_up
from bench.rows import Row
from bench.sizes import Sizes
from holdfast.errors import SetupError

Tell = Callable[[str], None]
_FILES = 8_192
"""Open files: a socket takes one here and one in the server."""


async def run(sizes: Sizes, only: Iterable[int], tell: Tell) -> list[Row]:
    """All rows, floors first. A figure that cannot be measured does not keep the others from it."""
    _allow_many_files()
    _end_gently()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name:
        folder = Path(name)
        # Holdfast reads .env from the working folder: a developer's own must not be measured,
        # and still less the database that it names.
        with contextlib.chdir(folder):
            tell("starting PostgreSQL, Temporal, api, worker and the floors")
            async with set_up(sizes, folder) as rig:
                rows: list[Row] = []
                for step in plan(rig, only):
                    tell(f"{step.figure}: {step.what}")
                    rows += await _measure(step)
    return sorted(rows, key=_place)


async def _measure(step: Step) -> list[Row]:
    rows: list[Row] = []
    try:
        rows = await step.measure()
    except* (CannotMeasure, OSError, SetupError, TemporalError) as failures:
        rows = [_failed(step, failures)]
    return rows


def _failed(step: Step, failures: BaseException) -> Row:
    """Of callers that failed together, the first tells enough."""
    first = _first(failures)
    why = " ".join(str(first).split()) or type(first).__name__
    return Row(figure=str(step.figure), what=step.what, unit="", measured=None, note=why)


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _place(row: Row) -> tuple[int, str]:
    """Floors, by letter, then figures, by number: 1, 1b, 2 … 10."""
    number, letter = re.fullmatch(r"(\d*)(\D*)", row.figure).groups()  # type: ignore[union-attr]
    return int(number or 0), letter


def _end_gently() -> None:
    """Have SIGTERM end us as Ctrl-C does: servers stopped, folder removed."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = _FILES if hard == unlimited else min(_FILES, hard)
    if soft != unlimited and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
