"""Figure 8: memory of the api and worker processes, idle and with many open threads."""

import asyncio

from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import now

_AT_ONCE = 250
"""Tickets between two looks at how many are open by now."""
_MB = 1024 * 1024


async def idle(rig: Rig) -> list[Row]:
    """Before anybody has called."""
    return [await _row(rig, "idle", Reach.no_more_than(250))]


async def with_open_threads(rig: Rig) -> list[Row]:
    """So many tickets open, each with its workflow, after all that was measured before."""
    sizes, desk = rig.sizes, rig.desk
    patient_until = now() + sizes.opening
    while await desk.tickets_open() < sizes.open_threads and now() < patient_until:
        await desk.open_tickets(min(_AT_ONCE, sizes.open_threads))
    what = f"with {await desk.tickets_open():,} open threads"
    return [await _row(rig, what, Reach.no_more_than(400))]


async def _row(rig: Rig, what: str, reach: Reach) -> Row:
    """RSS counts what both processes share twice; PSS, in the note, counts it once."""
    await asyncio.sleep(rig.sizes.settle)
    processes = {name: rig.house.process(name) for name in ("api", "worker")}
    read = {name: process.memory_full_info() for name, process in processes.items()}
    each = ", ".join(
        f"{name} {memory.rss / _MB:.0f} (PSS {memory.pss / _MB:.0f})"
        for name, memory in read.items()
    )
    return Row(
        figure="8",
        what=f"memory of api + worker, {what}",
        unit="MB",
        measured=sum(memory.rss for memory in read.values()) / _MB,
        reach=reach,
        note=each,
    )
