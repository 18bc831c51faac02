"""The result as a table for people."""

from collections.abc import Iterable, Sequence

from bench.rows import Row

_HEAD = ("", "what", "measured", "floor", "ratio", "reach", "", "note")
_RIGHT = {2, 3, 4}
_GAP = "  "


def table(rows: Iterable[Row]) -> str:
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(each, widths) for each in cells]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.figure,
        row.what,
        _value(row.measured, row.unit),
        f"{row.floor_name} {_value(row.floor, row.unit)}" if row.floor is not None else "",
        f"{row.ratio:.2f}" if row.ratio is not None else "",
        _reach(row),
        row.verdict,
        row.note,
    )


def _value(value: float | None, unit: str) -> str:
    """Three digits that mean something."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def _reach(row: Row) -> str:
    if row.reach is None:
        return ""
    sign = ">=" if row.reach.sense == "at least" else "<="
    unit = f"x {row.floor_name}" if row.reach.of_floor else row.unit
    return f"{sign} {row.reach.limit:g} {unit}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column in _RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return _GAP.join(padded).rstrip()
