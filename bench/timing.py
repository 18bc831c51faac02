"""How things are timed: one after another, many at once, or at a steady pace."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count as count_up

Call = Callable[[int], Awaitable[object]]
"""One piece of work; it gets its number, from 0."""

now = time.perf_counter


async def one_by_one(count: int, call: Call, *, warm_up: int = 0) -> list[float]:
    """Seconds that each call took, with nobody else calling; the first `warm_up` do not count."""
    taken: list[float] = []
    for number in range(warm_up + count):
        started = now()
        await call(number)
        taken.append(now() - started)
    return taken[warm_up:]


async def side_by_side(callers: int, count: int, call: Call) -> float:
    """Seconds until `count` calls were made by so many callers, each with one call at a time."""
    numbers = count_up()

    async def keep_calling() -> None:
        while (number := next(numbers)) < count:
            await call(number)

    started = now()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(keep_calling())
    return now() - started


async def as_many_as_possible(callers: int, seconds: float, call: Call) -> tuple[int, float]:
    """Calls made by so many callers, none beginning after `seconds`; until the last has ended."""
    started = now()
    numbers = count_up()
    made = 0

    async def keep_calling() -> None:
        nonlocal made
        while now() - started < seconds:
            await call(next(numbers))
            made += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(keep_calling())
    return made, now() - started


async def paced(rate: float, count: int, call: Call) -> None:
    """Begin a call every 1/`rate` seconds, whether or not the one before has ended.

    So a slow answer delays nothing that comes after, as with real callers.
    """
    started = now()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / rate - now()))
            group.create_task(_run(call, number))


def p50(seconds: Sequence[float]) -> float:
    return percentile(seconds, 50)


def p99(seconds: Sequence[float]) -> float:
    return percentile(seconds, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def in_ms(seconds: float) -> float:
    return seconds * 1000


async def _run(call: Call, number: int) -> None:
    await call(number)
