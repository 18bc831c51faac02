"""What is kept of people who write over XMPP, however odd their clients are."""

import random
from datetime import timedelta

from sqlalchemy import text

from store import xmpp
from store.database import Database

JID = "jo@example.com"
DAY = timedelta(days=1)


def incompressible(length: int) -> str:
    """PostgreSQL packs repeated letters before it asks whether they fit into an index."""
    return "".join(chr(random.Random(n).randrange(0x1F300, 0x1F600)) for n in range(length))


async def test_origin_id_may_be_of_any_length(database: Database) -> None:
    long = incompressible(5_000)
    for origin_id, is_new in ((long, True), (long, False), (long + "x", True), ("short", True)):
        async with database.begin() as session:
            assert await xmpp.is_new(session, JID, origin_id, DAY) is is_new


async def test_origin_id_is_new_again_after_its_time(database: Database) -> None:
    for age, is_new in ((0, True), (23, False), (2, True), (23, False)):
        async with database.begin() as session:
            await session.execute(_AGE, {"age": timedelta(hours=age)})
            assert await xmpp.is_new(session, JID, "1", DAY) is is_new


_AGE = text("UPDATE xmpp_origins SET seen_at = seen_at - :age")
