"""Figure 7: the same figures, and every list, with many tickets stored as with few."""

from collections.abc import Mapping
from hashlib import md5

from bench import filling
from bench.errors import CannotMeasure
from bench.figures.answering import posts_alone
from bench.figures.lifecycle import changes_alone
from bench.floors import calls
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, one_by_one, p50

_WARM_UP = 8
_PAGE_SIZE = 20
_CONTROL = "control: floor A"
"""Has nothing to do with tickets: it tells by how much the machine itself has changed."""


class Growth:
    """Measured once with few tickets and once with many; call `with_few` before anything else
    has stored tickets."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._filled = 0
        self._with_few: Mapping[str, float] = {}

    async def with_few(self) -> list[Row]:
        self._with_few = await self._measure(self._rig.sizes.few)
        return []

    async def with_many(self) -> list[Row]:
        if not self._with_few:
            raise CannotMeasure("there is nothing to compare with: few tickets were not measured")
        sizes = self._rig.sizes
        with_many = await self._measure(sizes.many)
        return [
            Row(
                figure="7",
                what=f"{what}, {sizes.many:,} tickets, p50",
                unit="ms",
                measured=in_ms(seconds),
                floor=in_ms(self._with_few[what]),
                floor_name=f"with {sizes.few}",
                reach=None if what == _CONTROL else Reach.at_most(1.3),
            )
            for what, seconds in with_many.items()
        ]

    async def _measure(self, stored: int) -> dict[str, float]:
        """Medians in seconds, by what was measured, with so many tickets stored."""
        rig = self._rig
        await self._fill_up(stored)
        medians = {_CONTROL: p50(await self._inserts())}
        for what, path in _lists(stored).items():
            medians[what] = p50(await self._read(path))
        medians["post -> answered"] = p50(await posts_alone(rig))
        medians["lifecycle update"] = p50(await changes_alone(rig))
        return medians

    async def _inserts(self) -> list[float]:
        async def insert(_: int) -> None:
            await calls.insert(self._rig.floors.api.http)

        return await one_by_one(self._rig.sizes.alone_posts, insert, warm_up=_WARM_UP)

    async def _read(self, path: str) -> list[float]:
        async def read(_: int) -> None:
            await self._rig.desk.http.get(path)

        return await one_by_one(self._rig.sizes.reads, read, warm_up=_WARM_UP)

    async def _fill_up(self, stored: int) -> None:
        missing = stored - await self._rig.desk.tickets_stored()
        first, self._filled = self._filled + 1, self._filled + missing
        await filling.fill(self._rig.house.database_url, first, self._filled)


def _lists(stored: int) -> dict[str, str]:
    customer = md5(f"customer {filling.CUSTOMER}".encode(), usedforsecurity=False).hexdigest()
    tickets = "/api/tickets/"
    return {
        "list": tickets,
        "list by status": f"{tickets}?status=open",
        "list by agent": f"{tickets}?assigned_agent_id={filling.AGENT}",
        "list by customer": f"{tickets}?customer_id=cust_{customer}",
        "list by tag": f"{tickets}?tag=billing",
        "list, breached first": f"{tickets}?sort=attention",
        "a customer's own list": f"/api/customers/cust_{customer}/tickets",
        "search, a rare word": f"{tickets}?q={filling.RARE_WORD}",
        "search, a word in each tenth": f"{tickets}?q={filling.COMMON_WORD}",
        "list, its last page": f"{tickets}?page={stored // _PAGE_SIZE}",
    }
