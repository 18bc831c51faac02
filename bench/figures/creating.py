"""Figure 5: how many tickets a second are created, their workflows started and up to date."""

from bench.floors import calls
from bench.floors.calls import Handle
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import as_many_as_possible, now, p50


async def measure(rig: Rig) -> list[Row]:
    floors: list[float] = []
    figures: list[float] = []
    for _ in range(rig.sizes.rounds):
        floors.append(await _starts_a_second(rig))
        figures.append(await _tickets_a_second(rig))
    floor = p50(floors)
    return [
        Row(
            figure="D",
            what=f"bare start_workflow, {rig.sizes.callers} callers",
            unit="/s",
            measured=floor,
        ),
        Row(
            figure="5",
            what="tickets created, their workflow started",
            unit="/s",
            measured=p50(figures),
            floor=floor,
            floor_name="D",
            reach=Reach.at_least(0.7),
        ),
    ]


async def _starts_a_second(rig: Rig) -> float:
    """Until all calls have returned. The bare worker runs beside, as ours does."""
    sizes = rig.sizes
    handles: list[Handle] = []

    async def start(_: int) -> None:
        handles.append(await calls.start(rig.floors.temporal))

    made, seconds = await as_many_as_possible(sizes.callers, sizes.busy, start)
    # What the floor has left to do must not slow the figure: the last to start are the last to
    # answer.
    for handle in handles[-sizes.callers :]:
        await calls.update(handle)
    return made / seconds


async def _tickets_a_second(rig: Rig) -> float:
    """From the first POST until the last ticket's workflow has handled its first message."""

    async def create(_: int) -> None:
        await rig.desk.open_ticket()

    started = now()
    made, _ = await as_many_as_possible(rig.sizes.callers, rig.sizes.busy, create)
    await rig.desk.until_handled()
    return made / (now() - started)
