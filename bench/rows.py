"""One line of the result: what was measured, beside its floor and what it should reach."""

from dataclasses import dataclass
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Reach:
    """What a figure should reach: so many times its floor, or an absolute value."""

    sense: Literal["at least", "at most"]
    limit: float
    of_floor: bool

    @classmethod
    def at_least(cls, times_floor: float) -> Self:
        return cls("at least", times_floor, of_floor=True)

    @classmethod
    def at_most(cls, times_floor: float) -> Self:
        return cls("at most", times_floor, of_floor=True)

    @classmethod
    def no_more_than(cls, value: float) -> Self:
        """In the unit of the row, whatever the floor is."""
        return cls("at most", value, of_floor=False)

    def is_reached(self, value: float) -> bool:
        return value >= self.limit if self.sense == "at least" else value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`figure` is the number of a figure, or the letter of a floor.

    `floor_name` says which floor `floor` is. `measured` is None when it could not be measured;
    `note` says why.
    """

    figure: str
    what: str
    unit: str
    measured: float | None
    floor: float | None = None
    floor_name: str = ""
    reach: Reach | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if self.measured is None or not self.floor:
            return None
        return self.measured / self.floor

    @property
    def reached(self) -> bool | None:
        """None when nothing is asked for, or nothing was measured."""
        if self.reach is None:
            return None
        value = self.ratio if self.reach.of_floor else self.measured
        return None if value is None else self.reach.is_reached(value)

    @property
    def verdict(self) -> Literal["", "ok", "MISS", "FAILED"]:
        if self.measured is None:
            return "FAILED"
        if self.reached is None:
            return ""
        return "ok" if self.reached else "MISS"
