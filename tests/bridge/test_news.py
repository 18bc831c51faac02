"""Presence and typing, from people's clients to the agents, by a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from bridge import news
from bridge.account import Account
from bridge.policy import Policy
from bridge.stanzas import Bounced, Received, Seen, Typing
from domain.deliveries import Outgoing
from domain.models import AuthorKind, Channel, DeliveryState
from store import customers, deliveries, outbox, tickets, xmpp
from store.customers import Introduction
from store.database import Database
from store.feed import Watch, Whisper, WhisperKind
from store.postgres_feed import PostgresFeed
from store.threads import Draft
from store.tickets import NewTicket
from store.xmpp import MOST_CLIENTS, PresenceOfJid
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser
from tests.store.writing import POLICY

ADA = "ada@example.org"

COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
PAUSED = "<paused xmlns='http://jabber.org/protocol/chatstates'/>"


@pytest.fixture
def desk(database: Database, support: Account) -> Desk:
    return Desk(database, support)


@asynccontextmanager
async def overheard(database: Database) -> AsyncIterator[Watch]:
    """What an api process hears, from the moment at which it hears at all."""
    feed = PostgresFeed(database)
    with feed.watch() as watch:
        async with feed.running():
            # It says so when it listens, by a reset.
            await asyncio.wait_for(watch.changes(), 10)
            yield watch


async def next_typing(watch: Watch) -> Whisper:
    async with asyncio.timeout(10):
        while True:
            for whisper in (await watch.changes()).whispers:
                if isinstance(whisper, Whisper) and whisper.kind is WhisperKind.TYPING:
                    return whisper


async def shown(desk: Desk, jid: str) -> list[tuple[str, str, str | None]]:
    async with desk.database.begin() as session:
        known = await xmpp.presences(session, jid)
    return [(each.resource, each.status, each.show) for each in known]


async def until_shown(desk: Desk, jid: str, *expected: tuple[str, str, str | None]) -> None:
    async with asyncio.timeout(10):
        while await shown(desk, jid) != list(expected):
            await asyncio.sleep(0.02)


class TestTyping:
    async def test_agents_see_that_a_customer_writes(self, desk: Desk, alice: Account) -> None:
        async with (
            overheard(desk.database) as watch,
            desk.working(),
            XmppUser.online(alice) as person,
        ):
            person.say(desk.account.bare_jid, "hello")
            await desk.until_said("hello")
            (row,) = await desk.tickets()
            for state, value in ((COMPOSING, 1), (PAUSED, 0)):
                person.send(desk.account.bare_jid, state)
                whisper = await next_typing(watch)
                assert whisper.thread.id == row.ticket.id
                assert (whisper.by_customer, whisper.value) == (True, value)

    async def test_is_looked_up_once_a_second_for_each_person(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked_up: list[str] = []

        async def active(jid: str) -> None:
            looked_up.append(jid)

        now = [0.0]
        monkeypatch.setattr(desk.news, "_active", active)
        monkeypatch.setattr(news, "time", SimpleNamespace(monotonic=lambda: now[0]))

        async def told(jid: str, *states: bool) -> int:
            looked_up.clear()
            for composing in states:
                await desk.news.take(Typing(f"{jid}/phone", composing))
            return len(looked_up)

        assert await told("ada@example.org", *[True] * 100) == 1
        assert await told("ada@example.org", *[False, True] * 100) == 1
        assert await told("bob@example.org", False, True, False, True) == 3
        now[0] = 1.0
        assert await told("ada@example.org", True, True) == 1

    async def test_who_has_no_ticket_writes_to_nobody(self, desk: Desk, alice: Account) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.send(desk.account.bare_jid, COMPOSING)
            person.say(desk.account.bare_jid, "hello")
            await desk.until_said("hello")


class TestPresence:
    async def test_agents_see_each_device(self, desk: Desk, alice: Account) -> None:
        async with (
            desk.working(),
            XmppUser.online(alice, resource="desk") as computer,
            XmppUser.online(alice, resource="phone") as phone,
        ):
            computer.show(to=desk.account.bare_jid)
            phone.show("away", to=desk.account.bare_jid)
            await until_shown(
                desk,
                alice.bare_jid,
                ("desk", "available", None),
                ("phone", "available", "away"),
            )
            computer.show("dnd", to=desk.account.bare_jid)
            await until_shown(
                desk, alice.bare_jid, ("desk", "available", "dnd"), ("phone", "available", "away")
            )

    async def test_who_leaves_is_seen_to_leave(self, desk: Desk, alice: Account) -> None:
        async with desk.working():
            async with XmppUser.online(alice) as person:
                person.show(to=desk.account.bare_jid)
                await until_shown(desk, alice.bare_jid, ("phone", "available", None))
            await until_shown(desk, alice.bare_jid, ("phone", "unavailable", None))

    async def test_who_asks_to_see_support_is_seen(self, desk: Desk, alice: Account) -> None:
        """Support asks back, and whoever agrees need not say it to us again."""
        async with desk.working(), XmppUser.online(alice) as person:
            person.subscribe(desk.account.bare_jid)
            await until_shown(desk, alice.bare_jid, ("phone", "available", None))
            person.show("xa")
            await until_shown(desk, alice.bare_jid, ("phone", "available", "xa"))

    async def test_who_has_no_client_left_is_gone_with_all_of_them(self, desk: Desk) -> None:
        jid = "ada@example.org"
        for resource in ("desk", "phone"):
            await desk.news.take(Seen(f"{jid}/{resource}", available=True))
        await desk.news.take(Seen(jid, available=False))
        assert await shown(desk, jid) == [
            ("desk", "unavailable", None),
            ("phone", "unavailable", None),
        ]
        assert not desk.news._here

    async def test_who_left_while_we_were_away_is_gone(self, desk: Desk) -> None:
        jid = "ada@example.org"
        await desk.news.take(Seen(f"{jid}/phone", available=True, show="away"))
        desk.news.disconnected()
        await desk.news.take(Seen(jid, available=False))
        assert await shown(desk, jid) == [("phone", "unavailable", None)]

    async def test_nobody_is_renewed_once_the_stream_is_lost(self, desk: Desk) -> None:
        jid = "ada@example.org"
        await desk.news.take(Seen(f"{jid}/phone", available=True))
        assert desk.news._here
        desk.news.disconnected()
        assert not desk.news._here
        # Until the server says otherwise, agents may believe what was true a moment ago.
        assert await shown(desk, jid) == [("phone", "available", None)]

    async def test_thousands_are_renewed(self, desk: Desk) -> None:
        many = [f"u{number}@example.org" for number in range(1000)]
        for jid in many:
            told = PresenceOfJid(jid, "phone", "available", None)
            desk.news._here.put(jid, "phone", told)
        await desk.news._say_again()
        for jid in (many[0], many[-1]):
            assert await shown(desk, jid) == [("phone", "available", None)]

    async def test_who_leaves_meanwhile_is_not_renewed(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(news, "_AT_ONCE", 1)
        people = [f"u{number}@example.org" for number in range(20)]
        for jid in people:
            await desk.news.take(Seen(f"{jid}/phone", available=True))
        renewing = asyncio.create_task(desk.news._say_again())
        for jid in reversed(people):
            await desk.news.take(Seen(f"{jid}/phone", available=False))
        await renewing
        assert [await shown(desk, jid) for jid in people] == [
            [("phone", "unavailable", None)] for _ in people
        ]

    async def test_endless_clients_of_one_person_take_no_other_s_place(self, desk: Desk) -> None:
        for number in range(MOST_CLIENTS + 5):
            await desk.news.take(Seen(f"ada@example.org/{number}", available=True))
        assert len(desk.news._here) == MOST_CLIENTS


class TestPieces:
    """Of a message of two: its text, and a file."""

    @pytest.fixture
    async def ticket_id(self, desk: Desk) -> UUID:
        async with desk.database.begin() as session:
            customer = await customers.meet(session, Introduction(Channel.XMPP, identities=(ADA,)))
            new = NewTicket(
                customer.id,
                Channel.XMPP,
                "Help",
                channel_identity=ADA,
                outlet=desk.outlet.name,
            )
            first = Draft(AuthorKind.CUSTOMER, "Hello")
            written = await tickets.open_ticket(session, new, first, POLICY)
            row = await tickets.find(session, written.ticket_id, lock=True)
            await tickets.write(session, row, Draft(AuthorKind.AGENT, "Look"), POLICY)
        return written.ticket_id

    async def test_receipt_of_one_says_nothing_of_the_other(
        self, desk: Desk, ticket_id: UUID
    ) -> None:
        await self.begin(desk, ticket_id, "stanza-1")
        await desk.news.take(Received(f"{ADA}/phone", "stanza-1"))
        assert (await self.begin(desk, ticket_id, "stanza-2")).pieces_sent == 1
        await desk.news.take(Received(f"{ADA}/phone", "stanza-2"))
        async with desk.database.begin() as session:
            known = (await deliveries.progress(session, ticket_id, [2]))[2]
        assert known.state is DeliveryState.DELIVERED

    async def test_what_came_back_can_be_sent_again(self, desk: Desk, ticket_id: UUID) -> None:
        await self.begin(desk, ticket_id, "stanza-1")
        await desk.news.take(Received(f"{ADA}/phone", "stanza-1"))
        await self.begin(desk, ticket_id, "stanza-2")
        await desk.news.take(Bounced(ADA, "stanza-2", "service-unavailable"))
        async with desk.database.begin() as session:
            assert await outbox.again(session, ticket_id, 2)
        assert (await self.begin(desk, ticket_id, "stanza-3")).pieces_sent == 1

    @staticmethod
    async def begin(desk: Desk, ticket_id: UUID, stanza_id: str) -> Outgoing:
        async with desk.database.begin() as session:
            outgoing = await outbox.next_pending(session, ticket_id, datetime.now(UTC))
            assert outgoing is not None
            piece = outgoing.pieces_sent
            assert await outbox.begin(session, outgoing, piece, 2, stanza_id)
        return outgoing


class TestStrangers:
    @pytest.mark.parametrize("jid", ["ada@example.net/phone", "example.org", ""])
    async def test_nothing_of_theirs_is_noted(
        self, database: Database, support: Account, jid: str
    ) -> None:
        desk = Desk(database, support, Policy(support.bare_jid, blocked_domains={"example.net"}))
        for told in (Seen(jid, available=True), Typing(jid, composing=True), Received(jid, "1")):
            await desk.news.take(told)
        assert not desk.news._here
        assert await shown(desk, "ada@example.net") == []
