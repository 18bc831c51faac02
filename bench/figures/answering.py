"""Figure 2: how long one who writes a message waits for the answer, with nobody else calling."""

from bench.floors import calls
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import as_many_as_possible, in_ms, one_by_one, p50, p99

_WARM_UP = 10


async def posts_alone(rig: Rig) -> list[float]:
    """Seconds from a POST to its answer, each message after the one before was handled."""
    ticket_ids = await rig.desk.open_tickets(rig.sizes.alone_tickets)

    async def post(number: int) -> None:
        await rig.desk.write(ticket_ids[number % len(ticket_ids)])

    taken = await one_by_one(rig.sizes.alone_posts, post, warm_up=_WARM_UP)
    await rig.desk.until_handled()
    return taken


async def measure(rig: Rig) -> list[Row]:
    async def insert(_: int) -> None:
        await calls.insert(rig.floors.api.http)

    floors: list[float] = []
    figures: list[float] = []
    rates: list[float] = []
    for _ in range(rig.sizes.rounds):
        floors += await one_by_one(rig.sizes.alone_posts, insert, warm_up=_WARM_UP)
        figures += await posts_alone(rig)
        made, seconds = await as_many_as_possible(rig.sizes.callers, rig.sizes.busy / 4, insert)
        rates.append(made / seconds)
    floor = in_ms(p50(floors))
    return [
        Row(figure="A", what="bare insert, alone, p50", unit="ms", measured=floor),
        Row(
            figure="A",
            what=f"bare inserts, {rig.sizes.callers} callers",
            unit="/s",
            measured=p50(rates),
        ),
        Row(
            figure="2",
            what="post -> answered, alone, p50",
            unit="ms",
            measured=in_ms(p50(figures)),
            floor=floor,
            floor_name="A",
            reach=Reach.at_most(4),
            note=f"p99 {in_ms(p99(figures)):.1f} ms",
        ),
    ]
