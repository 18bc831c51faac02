"""Figure 12: how fast agents get conversations, alone and while ten reach for each of them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.chat import Visitor
from bench.errors import UnexpectedAnswer
from bench.figures.lifecycle import updates_alone
from bench.figures.messages import updates_a_second
from bench.floors import calls
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, now, one_by_one, p50, p99

_WARM_UP = 5


@dataclass(frozen=True, slots=True)
class _Race:
    """`seconds` until the last of all agents was answered, and how long each of them waited."""

    decided: int
    seconds: float
    answers: list[float]

    @property
    def a_second(self) -> float:
        return self.decided / self.seconds


async def measure(rig: Rig) -> list[Row]:
    sizes = rig.sizes
    agents = await rig.chat.begin_shifts(f"racer-{number}" for number in range(sizes.racers))
    handles = await calls.begun(rig.floors.temporal, sizes.callers, sizes.alone_tickets)
    rates: list[float] = []
    floors: list[float] = []
    races: list[_Race] = []
    figures: list[float] = []
    for _ in range(sizes.rounds):
        rates.append(await updates_a_second(rig))
        races.append(await _race(rig, agents))
        floors += await updates_alone(handles, sizes.alone_updates)
        figures += await _accepts_alone(rig, agents[0])
    return [*_race_rows(rig, races, p50(rates)), _alone_row(figures, floors)]


def _race_rows(rig: Rig, races: list[_Race], floor: float) -> list[Row]:
    sizes = rig.sizes
    middle = sorted(races, key=lambda race: race.a_second)[(len(races) - 1) // 2]
    answers = [seconds for race in races for seconds in race.answers]
    what = f"accepts, {sizes.racers} agents for each of {sizes.raced}"
    return [
        Row(
            figure="12",
            what=f"{what}: decided",
            unit="/s",
            measured=middle.a_second,
            floor=floor,
            floor_name="C",
            reach=Reach.at_least(1),
            note=f"{len(middle.answers)} answers, {len(middle.answers) / middle.seconds:.0f}/s",
        ),
        Row(figure="12", what=f"{what}: all answered", unit="s", measured=middle.seconds),
        Row(figure="12", what=f"{what}: answer, p50", unit="ms", measured=in_ms(p50(answers))),
        Row(figure="12", what=f"{what}: answer, p99", unit="ms", measured=in_ms(p99(answers))),
    ]


def _alone_row(figures: list[float], floors: list[float]) -> Row:
    return Row(
        figure="12",
        what="accept, alone, p50",
        unit="ms",
        measured=in_ms(p50(figures)),
        floor=in_ms(p50(floors)),
        floor_name="C",
        reach=Reach.at_most(1.5),
        note=f"p99 {in_ms(p99(figures)):.1f} ms",
    )


async def _race(rig: Rig, agents: Sequence[str]) -> _Race:
    """All agents reach for all conversations at once. Raises UnexpectedAnswer unless each
    conversation goes to exactly one of them."""
    visitors = await rig.chat.fill_queue(rig.sizes.raced)
    answers: list[float] = []
    won: Counter[Visitor] = Counter()

    async def reach_for(visitor: Visitor, agent: str) -> None:
        began = now()
        accepted = await rig.chat.accept(visitor, agent)
        answers.append(now() - began)
        won[visitor] += accepted

    started = now()
    async with asyncio.TaskGroup() as group:
        for visitor in visitors:
            for agent in agents:
                group.create_task(reach_for(visitor, agent))
    seconds = now() - started
    if any(winners != 1 for winners in won.values()):
        raise UnexpectedAnswer(f"winners of the conversations: {sorted(won.values())}")
    await rig.chat.close(visitors)
    return _Race(len(visitors), seconds, answers)


async def _accepts_alone(rig: Rig, agent: str) -> list[float]:
    """Seconds that each accept took, nobody else wanting it."""
    count = rig.sizes.alone_updates
    visitors = await rig.chat.fill_queue(_WARM_UP + count)

    async def accept(number: int) -> None:
        await rig.chat.accept(visitors[number], agent)

    taken = await one_by_one(count, accept, warm_up=_WARM_UP)
    await rig.chat.close(visitors)
    return taken
