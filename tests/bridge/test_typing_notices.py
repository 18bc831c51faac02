"""An agent who writes is shown in the customer's client, by a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from bridge.account import Account
from bridge.typing_notices import TypingNotices
from domain.models import ThreadKind, ThreadRef
from store.database import Database
from store.feed import Whisper, WhisperKind
from store.postgres_feed import PostgresFeed
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser
from tests.store import writing


@pytest.fixture
def desk(database: Database, support: Account) -> Desk:
    return Desk(database, support)


@asynccontextmanager
async def noticing(desk: Desk) -> AsyncIterator[PostgresFeed]:
    """The feed of a bridge that passes typing on."""
    feed = PostgresFeed(desk.database)
    notices = TypingNotices(desk.database, feed, desk.outlet)
    task = asyncio.create_task(notices.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def typing(ticket_id: UUID, *, value: int = 1, by_customer: bool = False) -> Whisper:
    thread = ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
    return Whisper(thread, WhisperKind.TYPING, by_customer=by_customer, value=value, sid="-")


def states(person: XmppUser) -> list[str]:
    """What this client was told of somebody's typing."""
    told = [str(each["chat_state"]) for each in person.messages if not each["body"]]
    return [each for each in told if each]


async def until_state(person: XmppUser, feed: PostgresFeed, whisper: Whisper, state: str) -> None:
    """Whisper until it has got through: at the start nobody may be listening yet."""
    async with asyncio.timeout(15):
        while states(person)[-1:] != [state]:
            await feed.tell(whisper)
            await asyncio.sleep(0.05)


async def test_customer_sees_that_an_agent_writes_and_ceases(desk: Desk, alice: Account) -> None:
    async with desk.working(), noticing(desk) as feed, XmppUser.online(alice) as person:
        person.say(desk.account.bare_jid, "hello")
        await desk.until_said("hello")
        (row,) = await desk.tickets()
        await until_state(person, feed, typing(row.ticket.id), "composing")
        await until_state(person, feed, typing(row.ticket.id, value=0), "paused")


async def test_nobody_is_told_of_anything_else(desk: Desk, alice: Account) -> None:
    """Nor does it end: what comes after is passed on."""
    elsewhere = await writing.open_ticket(desk.database)
    async with desk.working(), noticing(desk) as feed, XmppUser.online(alice) as person:
        person.say(desk.account.bare_jid, "hello")
        await desk.until_said("hello", of=1)
        _, own = await desk.tickets()
        await until_state(person, feed, typing(own.ticket.id), "composing")
        told = len(states(person))
        for other in (
            typing(elsewhere, value=0),
            typing(uuid4(), value=0),
            typing(own.ticket.id, value=0, by_customer=True),
        ):
            await feed.tell(other)
        await until_state(person, feed, typing(own.ticket.id, value=0), "paused")
        assert states(person)[told:].count("paused") == 1
