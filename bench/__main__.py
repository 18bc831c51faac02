"""`python -m bench`: print the figures beside their floors, and store them."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench import machine, results
from bench.plan import FIGURES
from bench.run import run
from bench.sizes import FULL, SHORT
from bench.table import table
from bench.timing import now


def main(
    short: Annotated[
        bool, typer.Option("--short", help="Only prove that it works: tiny, and means nothing.")
    ] = False,
    only: Annotated[str, typer.Option(help="Figures, with commas: 1,2.")] = "",
    folder: Annotated[
        Path, typer.Option("--results", help="Where the JSON goes.")
    ] = results.FOLDER,
) -> None:
    """Measure Holdfast's figures and their floors, in one run of about ten minutes.

    The table goes to stdout, what is being done to stderr. Ends with code 1 when a figure could
    not be measured; a figure that was missed is a result like any other.
    """
    wanted = _figures(only)
    folder = folder.absolute()
    started_at, started = datetime.now(UTC), now()
    described = machine.describe()
    try:
        rows = asyncio.run(run(SHORT if short else FULL, wanted, _teller(started)))
    except asyncio.CancelledError:
        sys.exit("Ended before all was measured; nothing is left running.")
    seconds = now() - started
    path = results.write(
        folder,
        started_at=started_at,
        seconds=seconds,
        short=short,
        machine=described,
        rows=rows,
    )
    print(machine.summary(described))
    print()
    print(table(rows))
    print()
    print(f"{seconds:.0f} s; stored in {path}")
    if any(row.measured is None for row in rows):
        sys.exit(1)


def _figures(only: str) -> list[int]:
    try:
        wanted = [int(number) for number in only.split(",")] if only else list(FIGURES)
    except ValueError:
        wanted = []
    if not wanted or not set(wanted).issubset(FIGURES):
        raise typer.BadParameter(f"figures are {FIGURES[0]} to {FIGURES[-1]}, with commas: 1,2")
    return wanted


def _teller(started: float) -> Callable[[str], None]:
    def tell(line: str) -> None:
        print(f"{now() - started:5.0f} s  {line}", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
