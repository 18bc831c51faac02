"""Whose ticket a message goes into, and what is kept of an address."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import IdempotencyKeyReused
from domain.models import AuthorKind, Channel, DeliveryState, TicketStatus
from store import contacts, customers, tickets
from store.channel_tables import Contact
from store.contacts import Heard, Sender
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from tests.store.ticket_lives import POLICY

OUTLET = "whatsapp-1"
JO = Sender("+15550100", identities=("user-1", "+15550100"), name="Jo")
AT = datetime(2026, 11, 20, 9, tzinfo=UTC)


def draft(words: str = "Hi", name: str | None = None) -> Draft:
    return Draft(
        AuthorKind.CUSTOMER, words, source="whatsapp/1" if name else None, external_id=name
    )


async def hear(
    database: Database,
    sender: Sender = JO,
    said: Draft | None = None,
    outlet: str | None = OUTLET,
    channel: Channel = Channel.WHATSAPP,
) -> Heard:
    async with database.begin() as session:
        return await contacts.hear(session, channel, outlet, sender, said or draft(), POLICY)


async def customer_of(database: Database, ticket_id: UUID) -> UUID:
    async with database.begin() as session:
        return (await tickets.find(session, ticket_id)).customer.id


class TestHear:
    async def test_first_message_opens_a_ticket_and_the_next_goes_into_it(
        self, database: Database
    ) -> None:
        first = await hear(database, said=draft("My order is late. Where is it?"))
        second = await hear(database)
        assert (first.opened, second.opened) == (True, False)
        assert first.written.ticket_id == second.written.ticket_id
        async with database.begin() as session:
            row = await tickets.find(session, first.written.ticket_id)
        assert row.ticket.subject == "My order is late."
        assert (row.ticket.channel_identity, row.ticket.outlet) == (JO.address, OUTLET)
        assert row.customer.name == "Jo"

    async def test_any_of_the_names_is_enough(self, database: Database) -> None:
        first = await hear(database, Sender("+15550100", ("+15550100",)))
        both = await hear(database)
        assert both.written.ticket_id == first.written.ticket_id
        without_number = await hear(database, Sender("user-1", ("user-1", "+15550100")))
        assert without_number.written.ticket_id == first.written.ticket_id

    async def test_number_that_somebody_else_has_now_is_not_their_ticket(
        self, database: Database
    ) -> None:
        first = await hear(database)
        async with database.begin() as session:
            await customers.meet(session, Introduction(Channel.WHATSAPP, identities=("user-2",)))
        other = await hear(database, Sender("+15550100", ("user-2", "+15550100")))
        assert other.opened
        assert other.written.ticket_id != first.written.ticket_id

    async def test_ticket_that_somebody_named_for_another_customer_is_not_theirs(
        self, database: Database
    ) -> None:
        mine = await hear(database)
        async with database.begin() as session:
            row = await tickets.find(session, mine.written.ticket_id)
            other = await customers.meet(session, Introduction(Channel.WEB, name="Al"))
            row.ticket.customer_id = other.id
        assert (await hear(database)).written.ticket_id != mine.written.ticket_id

    @pytest.mark.parametrize(
        ("outlet", "channel"),
        [(None, Channel.WHATSAPP), ("whatsapp-2", Channel.WHATSAPP), (OUTLET, Channel.FACEBOOK)],
    )
    async def test_ticket_of_another_outlet_or_channel_is_not_seen(
        self, database: Database, outlet: str | None, channel: Channel
    ) -> None:
        first = await hear(database)
        other = await hear(database, outlet=outlet, channel=channel)
        assert other.opened
        assert other.written.ticket_id != first.written.ticket_id

    async def test_closed_ticket_is_followed_by_a_new_one(self, database: Database) -> None:
        first = await hear(database)
        async with database.begin() as session:
            state, thread = await tickets.load(session, first.written.ticket_id)
            closed = state.model_copy(update={"status": TicketStatus.CLOSED, "version": 1})
            await tickets.record(session, thread, closed, [])
        second = await hear(database, said=draft("Again"))
        assert second.opened
        async with database.begin() as session:
            row = await tickets.find(session, second.written.ticket_id)
        assert row.ticket.follow_up_of == first.written.ticket_id
        assert row.ticket.subject == "Again"

    async def test_same_name_is_the_same_message_and_never_another(
        self, database: Database
    ) -> None:
        first = await hear(database, said=draft(name="m1"))
        again = await hear(database, said=draft(name="m1"))
        assert again.written.entry.id == first.written.entry.id
        assert not again.opened
        with pytest.raises(IdempotencyKeyReused):
            await hear(database, said=draft("else", name="m1"))

    async def test_first_messages_at_once_are_one_ticket(self, database: Database) -> None:
        senders = [JO, Sender("+15550100", ("+15550100",)), replace(JO, name=None)] * 4
        heard = await asyncio.gather(*(hear(database, sender) for sender in senders))
        assert len({each.written.ticket_id for each in heard}) == 1
        assert sum(each.opened for each in heard) == 1

    async def test_customer_is_found_by_email(self, database: Database) -> None:
        async with database.begin() as session:
            known = await customers.meet(session, Introduction(Channel.WEB, email="Jo@example.com"))
        sender = Sender("jo@example.com", ("jo@example.com",), email="jo@example.com")
        heard = await hear(database, sender, outlet=None, channel=Channel.EMAIL)
        assert await customer_of(database, heard.written.ticket_id) == known.id


async def contact(session: AsyncSession) -> Contact:
    row = await session.get(Contact, (OUTLET, JO.address))
    assert row is not None
    return row


class TestContact:
    async def test_when_somebody_wrote_is_never_set_back(self, database: Database) -> None:
        for minutes, known in ((0, 0), (5, 5), (3, 5), (6, 6)):
            async with database.begin() as session:
                at = AT + timedelta(minutes=minutes)
                await contacts.heard(session, OUTLET, JO.address, at)
            async with database.begin() as session:
                row = await contact(session)
                assert row.heard_at == AT + timedelta(minutes=known)
                assert (row.delivered_until, row.read_until) == (None, None)

    async def test_marks_of_delivery_and_of_reading_stand_beside_each_other(
        self, database: Database
    ) -> None:
        later = AT + timedelta(hours=1)
        async with database.begin() as session:
            await contacts.heard(session, OUTLET, JO.address, AT)
            for state, until in (
                (DeliveryState.DELIVERED, later),
                (DeliveryState.READ, AT),
                (DeliveryState.DELIVERED, AT),
            ):
                await contacts.arrived_until(session, OUTLET, JO.address, state, until)
        async with database.begin() as session:
            row = await contact(session)
            assert (row.heard_at, row.delivered_until, row.read_until) == (AT, later, AT)
