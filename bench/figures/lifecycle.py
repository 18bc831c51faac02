"""Figure 4: how long an agent waits for a change of status, with nobody else calling."""

from bench.floors import calls
from bench.floors.calls import Handle
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, one_by_one, p50, p99

_WARM_UP = 5
_STATUSES = ("open", "pending_customer")


async def changes_alone(rig: Rig) -> list[float]:
    """Seconds from a PUT to its answer; every one changes the status."""
    ticket_ids = await rig.desk.open_tickets(rig.sizes.alone_tickets)

    async def change(number: int) -> None:
        turn, which = divmod(number, len(ticket_ids))
        await rig.desk.set_status(ticket_ids[which], _STATUSES[turn % len(_STATUSES)])

    return await one_by_one(rig.sizes.alone_updates, change, warm_up=_WARM_UP)


async def measure(rig: Rig) -> list[Row]:
    floors: list[float] = []
    figures: list[float] = []
    sizes = rig.sizes
    handles = await calls.begun(rig.floors.temporal, sizes.callers, sizes.alone_tickets)
    for _ in range(sizes.rounds):
        floors += await updates_alone(handles, sizes.alone_updates)
        figures += await changes_alone(rig)
    floor = in_ms(p50(floors))
    return [
        Row(figure="C", what="bare workflow update, alone, p50", unit="ms", measured=floor),
        Row(
            figure="4",
            what="lifecycle update (PUT status), alone, p50",
            unit="ms",
            measured=in_ms(p50(figures)),
            floor=floor,
            floor_name="C",
            reach=Reach.at_most(1.5),
            note=f"p99 {in_ms(p99(figures)):.1f} ms",
        ),
    ]


async def updates_alone(handles: list[Handle], count: int) -> list[float]:
    """Floor C: seconds that each update took."""

    async def update(number: int) -> None:
        await calls.update(handles[number % len(handles)])

    return await one_by_one(count, update, warm_up=_WARM_UP)
