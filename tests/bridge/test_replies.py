"""Replies on their way to people, and what is told of them, by a real server."""

import asyncio
from datetime import UTC, datetime

import pytest

from bridge.account import Account
from channels.outlet import NotNow
from domain.deliveries import Outgoing
from domain.models import DeliveryState, EventType
from store import deliveries, reading, tickets
from store.database import Database
from tests.bridge.prosody import Prosody
from tests.bridge.replying import attempt, name_of, open_ticket, reply, send
from tests.bridge.waiting import until
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser

MARKERS = "urn:xmpp:chat-markers:0"


@pytest.fixture
def desk(database: Database, support: Account) -> Desk:
    return Desk(database, support)


async def until_state(desk: Desk, of: Outgoing, state: DeliveryState) -> None:
    async with asyncio.timeout(10):
        while await state_of(desk, of) is not state:
            await asyncio.sleep(0.02)


async def state_of(desk: Desk, of: Outgoing) -> DeliveryState:
    async with desk.database.begin() as session:
        return (await deliveries.progress(session, of.thread_id, [of.seq]))[of.seq].state


async def mark_sent(desk: Desk, of: Outgoing) -> None:
    async with desk.database.begin() as session:
        await deliveries.move(session, of.thread_id, of.seq, DeliveryState.SENT)


class TestSending:
    async def test_arrives_as_it_was_written(self, desk: Desk, alice: Account) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            await send(desk, await reply(desk, await open_ticket(desk, person)))
            await until(lambda: person.texts == ["a reply"])

    async def test_second_attempt_doubles_nothing(self, desk: Desk, alice: Account) -> None:
        async with desk.working(), XmppUser.online(alice, silent=True) as person:
            ticket_id = await open_ticket(desk, person)
            await send(desk, await reply(desk, ticket_id))
            again = await attempt(desk, ticket_id)
            assert again.first_tried_at is not None
            await send(desk, again)
            kept = [str(each["body"]) for each in await person.archive(desk.account.bare_jid)]
            assert kept.count("a reply") == 1

    async def test_second_attempt_sends_what_had_not_arrived(
        self, desk: Desk, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            ticket_id = await open_ticket(desk, person)
            await reply(desk, ticket_id)
            await send(desk, await attempt(desk, ticket_id))
            await until(lambda: person.texts == ["a reply"])

    async def test_without_a_server_it_is_put_off(
        self, database: Database, prosody: Prosody
    ) -> None:
        support, alice = await prosody.register("support"), await prosody.register("alice")
        desk = Desk(database, support)
        async with desk.working():
            async with XmppUser.online(alice) as person:
                outgoing = await reply(desk, await open_ticket(desk, person))
            await prosody.stop()
            await until(lambda: not desk.outlet.is_connected)
            with pytest.raises(NotNow):
                await send(desk, outgoing)


class TestNews:
    async def test_receipt_says_that_it_has_arrived(self, desk: Desk, alice: Account) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            outgoing = await reply(desk, await open_ticket(desk, person))
            await send(desk, outgoing)
            await until_state(desk, outgoing, DeliveryState.DELIVERED)

    async def test_who_has_read_one_has_read_those_before_it(
        self, desk: Desk, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice, silent=True) as person:
            ticket_id = await open_ticket(desk, person)
            sent: list[Outgoing] = []
            for number in range(2):
                outgoing = await reply(desk, ticket_id, f"reply {number}")
                await send(desk, outgoing)
                await mark_sent(desk, outgoing)
                sent.append(outgoing)
            last = name_of(desk, sent[-1])
            person.send(desk.account.bare_jid, f"<displayed xmlns='{MARKERS}' id='{last}'/>")
            for outgoing in sent:
                await until_state(desk, outgoing, DeliveryState.READ)

    async def test_receipt_that_came_while_nobody_listened_counts(
        self, desk: Desk, alice: Account
    ) -> None:
        async with XmppUser.online(alice, silent=True) as person:
            async with desk.working():
                outgoing = await reply(desk, await open_ticket(desk, person))
                await send(desk, outgoing)
                await mark_sent(desk, outgoing)
            name = name_of(desk, outgoing)
            receipt = f"<received xmlns='urn:xmpp:receipts' id='{name}'/>"
            person.send(desk.account.bare_jid, receipt, "<store xmlns='urn:xmpp:hints'/>")
            await person.ping()
            async with desk.working():
                await until_state(desk, outgoing, DeliveryState.DELIVERED)

    async def test_nobody_who_is_not_there_gets_it_and_agents_are_told(
        self, desk: Desk, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            ticket_id = await open_ticket(desk, person)
            async with desk.database.begin() as session:
                row = await tickets.find(session, ticket_id)
                row.ticket.channel_identity = f"nobody@{alice.domain}"
            outgoing = await reply(desk, ticket_id)
            await send(desk, outgoing)
            await until_state(desk, outgoing, DeliveryState.FAILED)
            async with desk.database.begin() as session:
                told = await reading.newest_event(session, ticket_id, EventType.DELIVERY_FAILED)
            assert told is not None
            assert told["of_seq"] == outgoing.seq

    async def test_stranger_cannot_say_that_it_has_arrived(
        self, desk: Desk, alice: Account, shared_prosody: Prosody
    ) -> None:
        eve = await shared_prosody.register(f"eve-{datetime.now(UTC).timestamp():.0f}")
        async with (
            desk.working(),
            XmppUser.online(alice, silent=True) as person,
            XmppUser.online(eve) as stranger,
        ):
            outgoing = await reply(desk, await open_ticket(desk, person))
            await send(desk, outgoing)
            await mark_sent(desk, outgoing)
            name = name_of(desk, outgoing)
            receipt = f"<received xmlns='urn:xmpp:receipts' id='{name}'/>"
            stranger.send(desk.account.bare_jid, receipt)
            stranger.say(desk.account.bare_jid, "end")
            await desk.until_said("end", of=1)
            assert await state_of(desk, outgoing) is DeliveryState.SENT
