"""Figure 1: how many messages a second are taken and handled by their workflows."""

from bench.desk import Throughput, median_of
from bench.floors import calls
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import as_many_as_possible, p50


async def measure(rig: Rig) -> list[Row]:
    floors: list[float] = []
    figures: list[Throughput] = []
    talks: list[Throughput] = []
    for _ in range(rig.sizes.rounds):
        floors.append(await updates_a_second(rig))
        figures.append(await _messages(rig, ("customer",)))
        talks.append(await _messages(rig, ("agent", "customer")))
    floor = p50(floors)
    figure, talk = median_of(figures), median_of(talks)
    callers = rig.sizes.callers
    return [
        Row(
            figure="C",
            what=f"bare workflow updates, {callers} callers",
            unit="/s",
            measured=floor,
        ),
        Row(
            figure="1",
            what="messages posted over REST and handled",
            unit="/s",
            measured=figure.a_second,
            floor=floor,
            floor_name="C",
            reach=Reach.at_least(3),
            note=str(figure),
        ),
        Row(
            figure="1b",
            what="the same, each message changing the status",
            unit="/s",
            measured=talk.a_second,
            floor=floor,
            floor_name="C",
            note=str(talk),
        ),
    ]


async def updates_a_second(rig: Rig) -> float:
    """Floor C, by all callers."""
    sizes = rig.sizes
    handles = await calls.begun(rig.floors.temporal, sizes.callers, sizes.threads)

    async def update(number: int) -> None:
        await calls.update(handles[number % len(handles)])

    made, seconds = await as_many_as_possible(sizes.callers, sizes.busy, update)
    return made / seconds


async def _messages(rig: Rig, authors: tuple[str, ...]) -> Throughput:
    """From the first POST until every thread's handled_seq equals its last_seq.

    Each ticket hears the `authors` in turn.
    """
    sizes = rig.sizes
    ticket_ids = await rig.desk.open_tickets(sizes.threads)

    async def post(number: int) -> None:
        turn, which = divmod(number, len(ticket_ids))
        await rig.desk.write(ticket_ids[which], by=authors[turn % len(authors)])

    return await rig.desk.handled(sizes.busy, post)
