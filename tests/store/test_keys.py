"""Service keys and agents in the database."""

import asyncio

from psycopg import AsyncConnection
from sqlalchemy import select

from domain.ids import new_id
from domain.names import KEYS_CHANNEL
from domain.principals import Scope
from store import agents, keys
from store.database import Database
from store.tables import ServiceKey


class TestKeys:
    async def test_only_the_hash_is_kept(self, database: Database) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "bot", [Scope.TICKETS])
        assert key.startswith("sk_")
        assert len(key) > 40
        async with database.begin() as session:
            row = (await session.scalars(select(ServiceKey))).one()
            assert row.key_hash == keys.hash_of(key)
            assert key not in repr(vars(row))

    async def test_are_found_by_their_hash(self, database: Database) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "bot", [Scope.XMPP, Scope.TICKETS])
            found = await keys.find(session, keys.hash_of(key))
            assert found is not None
            assert found.name == "bot"
            assert found.scopes == {Scope.TICKETS, Scope.XMPP}
            assert await keys.find(session, keys.hash_of(key + "x")) is None

    async def test_end_when_revoked(self, database: Database) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "bot", [Scope.TICKETS])
            (listed,) = await keys.list_all(session)
            assert await keys.revoke(session, listed.id)
            assert not await keys.revoke(session, listed.id)
            assert not await keys.revoke(session, new_id())
        async with database.begin() as session:
            assert await keys.find(session, keys.hash_of(key)) is None
            (listed,) = await keys.list_all(session)
            assert listed.revoked_at is not None

    async def test_every_change_is_told(self, database: Database) -> None:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
            await connection.execute(f"LISTEN {KEYS_CHANNEL}")
            async with database.begin() as session:
                await keys.create(session, "bot", [Scope.TICKETS])
            async with database.begin() as session:
                (listed,) = await keys.list_all(session)
                await keys.revoke(session, listed.id)
            heard = [told async for told in connection.notifies(timeout=5, stop_after=2)]
        assert [(told.channel, told.payload) for told in heard] == [(KEYS_CHANNEL, "")] * 2


class TestAgents:
    async def test_are_added_once(self, database: Database) -> None:
        async with database.begin() as session:
            assert await agents.add(session, "a-1", "Ada", "ada@desk.example")
            assert not await agents.add(session, "a-1", "Bo")
            ada = await agents.get(session, "a-1")
        assert ada is not None
        assert (ada.name, ada.email, ada.last_seen_at) == ("Ada", "ada@desk.example", None)

    async def test_a_token_without_a_name_does_not_erase_it(self, database: Database) -> None:
        async with database.begin() as session:
            await agents.add(session, "a-1", "Ada", "ada@desk.example")
            await agents.seen(session, "a-1", "", "")
            ada = await agents.get(session, "a-1")
        assert ada is not None
        assert (ada.name, ada.email) == ("Ada", "ada@desk.example")
        assert ada.last_seen_at is not None

    async def test_may_come_for_the_first_time_twice_at_once(self, database: Database) -> None:
        async def come() -> None:
            async with database.begin() as session:
                await agents.seen(session, "a-1", "Ada", "")

        await asyncio.gather(*(come() for _ in range(8)))
        async with database.begin() as session:
            assert await agents.exists(session, "a-1")
            assert not await agents.exists(session, "a-2")
            assert await agents.get(session, "a-2") is None
