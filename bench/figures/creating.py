"""Figure 5: how many tickets a second are created, their workflows started and up to date."""

from dataclasses import dataclass

from bench.desk import Throughput, median_of
from bench.floors import calls
from bench.floors.calls import Handle
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import as_many_as_possible, now, p50


@dataclass(frozen=True, slots=True)
class _Started:
    """Workflows a second: until the calls returned, and until the worker had begun them all."""

    returned: float
    begun: float


async def measure(rig: Rig) -> list[Row]:
    floors: list[_Started] = []
    figures: list[Throughput] = []
    for _ in range(rig.sizes.rounds):
        floors.append(await _starts(rig))
        figures.append(await _tickets(rig))
    floor = p50([each.returned for each in floors])
    begun = p50([each.begun for each in floors])
    figure = median_of(figures)
    return [
        Row(
            figure="D",
            what=f"bare start_workflow, {rig.sizes.callers} callers",
            unit="/s",
            measured=floor,
            note=f"{begun:.0f}/s until all had begun",
        ),
        Row(
            figure="5",
            what="tickets created, their workflow started",
            unit="/s",
            measured=figure.a_second,
            floor=floor,
            floor_name="D",
            reach=Reach.at_least(0.7),
            note=str(figure),
        ),
    ]


async def _starts(rig: Rig) -> _Started:
    """The bare worker runs beside, as ours does."""
    sizes = rig.sizes
    handles: list[Handle] = []

    async def start(_: int) -> None:
        handles.append(await calls.start(rig.floors.temporal))

    started = now()
    made, seconds = await as_many_as_possible(sizes.callers, sizes.busy, start)
    # What the floor has left to do must not slow the figure: the last to start are the last to
    # answer.
    for handle in handles[-sizes.callers :]:
        await calls.update(handle)
    return _Started(returned=made / seconds, begun=made / (now() - started))


async def _tickets(rig: Rig) -> Throughput:
    """From the first POST until the last ticket's workflow has handled its first message."""

    async def create(_: int) -> None:
        await rig.desk.open_ticket()

    return await rig.desk.handled(rig.sizes.busy, create)
