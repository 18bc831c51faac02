"""What `holdfast doctor` says of channels that send nothing for a while."""

from holdfast.errors import SetupError
from holdfast.settings import Settings
from store import pacing
from store.database import Database


async def look_at(settings: Settings) -> str:
    """One sentence. Raises SetupError with which are paused, and why."""
    database = Database(settings.dsn, pool_size=1)
    try:
        async with database.begin() as session:
            paused = await pacing.pauses(session)
    finally:
        await database.close()
    if paused:
        reasons = " ".join(f"{each.outlet}: {each.reason}" for each in paused)
        raise SetupError(f"{len(paused)} paused, and replies wait. {reasons}")
    return "none is paused"
