"""The result as a file for machines: one JSON object a run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from bench.rows import Row

FOLDER = Path(__file__).parent / "results"


def write(
    folder: Path,
    *,
    started_at: datetime,
    seconds: float,
    short: bool,
    machine: Mapping[str, object],
    rows: Iterable[Row],
) -> Path:
    """Write `<utc timestamp>.json`; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{started_at:%Y%m%dT%H%M%SZ}.json"
    result = {
        "started_at": started_at.isoformat(),
        "seconds": round(seconds, 1),
        "short": short,
        "machine": machine,
        "rows": [_row(row) for row in rows],
    }
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


def _row(row: Row) -> dict[str, object]:
    return asdict(row) | {"ratio": row.ratio, "verdict": row.verdict}
