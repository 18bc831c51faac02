"""The benchmark works: nothing here says how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.prosody import INSTALLED

FLOORS, FIGURES = ("ABCDEFG", 14) if INSTALLED else ("ABCDEF", 12)
"""All that can be measured here: the figures of XMPP are the last."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def printed_and_stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What one short run has printed, and what it has stored."""
    folder = tmp_path_factory.mktemp("results")
    only = ",".join(str(number) for number in range(1, FIGURES + 1))
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--short", "--only", only, "--results", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.iterdir()
    return done.stdout, json.loads(path.read_text())


def test_every_floor_and_figure_has_its_rows_floors_first_figures_by_number(
    printed_and_stored: tuple[str, dict[str, Any]],
) -> None:
    _, stored = printed_and_stored
    figures = list(dict.fromkeys(row["figure"] for row in stored["rows"]))
    in_order = [*FLOORS, "1", "1b", *(str(number) for number in range(2, FIGURES + 1))]
    assert figures == in_order


def test_every_row_was_measured_and_is_judged_where_something_is_asked(
    printed_and_stored: tuple[str, dict[str, Any]],
) -> None:
    _, stored = printed_and_stored
    for row in stored["rows"]:
        assert row["measured"] > 0 or row["unit"] == "KB", row
        assert row["verdict"] in ({"ok", "MISS"} if row["reach"] else {""}), row


def test_the_machine_is_described(printed_and_stored: tuple[str, dict[str, Any]]) -> None:
    _, stored = printed_and_stored
    machine = stored["machine"]
    assert {"cpu", "cores", "memory_mb", "kernel", "python", "commit"} <= machine.keys()
    assert len(machine["load_average"]) == 3
    assert "temporalio" in machine["packages"]
    assert stored["short"] is True


def test_the_table_shows_what_was_stored(printed_and_stored: tuple[str, dict[str, Any]]) -> None:
    printed, stored = printed_and_stored
    for row in stored["rows"]:
        assert row["what"] in printed


def test_an_unknown_figure_is_refused_before_anything_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "15"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "figures are 1 to 14" in done.stderr
