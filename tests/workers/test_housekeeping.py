"""What nobody asks for again is forgotten."""

import asyncio

from sqlalchemy import text

from store.database import Database
from workers.housekeeping import keep_house


async def test_news_of_messages_that_were_not_ours_are_forgotten_after_a_day(
    database: Database,
) -> None:
    async with database.begin() as session:
        await session.execute(
            text(
                "INSERT INTO early_news (outlet, external_id, state, at) VALUES"
                " ('whatsapp-1', 'wamid.old', 'read', now() - interval '25 hours'),"
                " ('whatsapp-1', 'wamid.new', 'read', now() - interval '23 hours')"
            )
        )
    chores = asyncio.create_task(keep_house(database))
    try:
        async with asyncio.timeout(10):
            while "wamid.old" in await _names(database):
                await asyncio.sleep(0.05)
    finally:
        chores.cancel()
    assert await _names(database) == ["wamid.new"]


async def _names(database: Database) -> list[str]:
    async with database.begin() as session:
        return list(await session.scalars(text("SELECT external_id FROM early_news")))
