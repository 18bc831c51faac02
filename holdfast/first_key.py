"""The key with which a newcomer starts."""

from domain.principals import Scope
from holdfast.folder import DataFolder
from store import keys
from store.database import Database


async def first_key(database_url: str, folder: DataFolder) -> str | None:
    """The admin key of an embedded stack: made once, kept in the data folder.

    None when it was revoked, or the keys are looked after by hand: then it is not made again.
    """
    database = Database(database_url, pool_size=1)
    try:
        async with database.begin() as session:
            kept = folder.admin_key()
            if kept and await keys.find(session, keys.hash_of(kept)):
                return kept
            if await keys.list_all(session):
                return None
            key = await keys.create(session, "first admin", [Scope.ADMIN])
            # Before the commit: a crash in between leaves a file that is simply written again,
            # and not a key in the database that nobody knows.
            folder.keep_admin_key(key)
        return key
    finally:
        await database.close()
