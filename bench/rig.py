"""All that is measured and measured with, running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.chat import Chat, open_chat
from bench.desk import Desk, open_desk
from bench.floors.servers import Floors, running_floors
from bench.house import House, running_house
from bench.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Rig:
    sizes: Sizes
    house: House
    floors: Floors
    desk: Desk
    chat: Chat


@asynccontextmanager
async def set_up(sizes: Sizes, folder: Path) -> AsyncIterator[Rig]:
    """Start everything in `folder`, the working folder; stop it when the block ends."""
    async with (
        running_house(folder) as house,
        running_floors(house) as floors,
        open_desk(house, house.url, sizes.callers) as desk,
        open_chat(house, desk, sizes.callers) as chat,
    ):
        yield Rig(sizes, house, floors, desk, chat)
