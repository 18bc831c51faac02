"""What platforms tell of our messages, on a real PostgreSQL."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from domain.deliveries import Outgoing, piece_id
from domain.models import AuthorKind, Channel, DeliveryState
from store import customers, deliveries, delivery_news, outbox, threads, tickets
from store.channel_tables import Contact, DeliveryPiece, EarlyNews
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from store.tickets import NewTicket
from tests.store.writing import POLICY

OUTLET = "whatsapp-1"
ADA = "+15550100"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PENDING, SENT, DELIVERED, READ, FAILED, UNKNOWN = (
    DeliveryState.PENDING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
    DeliveryState.FAILED,
    DeliveryState.UNKNOWN,
)


@pytest.fixture
async def ticket_id(database: Database) -> UUID:
    """Of a ticket with one reply that goes out, seq 2."""
    async with database.begin() as session:
        customer = await customers.meet(session, Introduction(Channel.WHATSAPP, identities=(ADA,)))
        new = NewTicket(customer.id, Channel.WHATSAPP, "Help", channel_identity=ADA, outlet=OUTLET)
        first = Draft(AuthorKind.CUSTOMER, "Hello")
        written = await tickets.open_ticket(session, new, first, POLICY)
        row = await tickets.find(session, written.ticket_id, lock=True)
        await tickets.write(session, row, Draft(AuthorKind.AGENT, "one two"), POLICY)
        return written.ticket_id


async def begin(
    database: Database, ticket_id: UUID, *, of: int = 1, at: datetime = NOW
) -> Outgoing:
    async with database.begin() as session:
        outgoing = await outbox.next_pending(session, ticket_id, at)
        assert outgoing is not None
        assert await outbox.begin(session, outgoing, outgoing.pieces_sent, of, None)
        return outgoing


async def sent(database: Database, outgoing: Outgoing, name: str = "wamid.1") -> None:
    async with database.begin() as session:
        await delivery_news.sent(session, outgoing, outgoing.pieces_sent, name)


async def news(
    database: Database,
    state: DeliveryState,
    name: str = "wamid.1",
    ours: str | None = None,
    error: str | None = None,
) -> None:
    async with database.begin() as session:
        await delivery_news.news(session, OUTLET, name, ours, state, error)


async def news_until(
    database: Database, state: DeliveryState, until: datetime, address: str = ADA
) -> None:
    async with database.begin() as session:
        await delivery_news.news_until(session, OUTLET, address, state, until)


async def echo(
    database: Database,
    said: str,
    ours: str | None = None,
    name: str = "wamid.1",
    to: str = ADA,
    at: datetime | None = None,
) -> bool:
    async with database.begin() as session:
        return await delivery_news.claim_echo(session, OUTLET, to, ours, name, said, at)


async def name_of(database: Database, ticket_id: UUID, seq: int = 2) -> str | None:
    async with database.begin() as session:
        piece = await session.get(DeliveryPiece, (ticket_id, seq, 0))
        assert piece is not None
        return piece.external_id


async def state(database: Database, ticket_id: UUID) -> DeliveryState:
    async with database.begin() as session:
        return (await deliveries.progress(session, ticket_id, [2]))[2].state


async def two_that_say_the_same(database: Database, ticket_id: UUID) -> Outgoing:
    """Of the first, seq 2, nobody knows what became; the second, five minutes later, is under
    way."""
    first = await begin(database, ticket_id)
    async with database.begin() as session:
        await outbox.give_up_on(session, first, 0, "Nobody knows.")
        row = await tickets.find(session, ticket_id, lock=True)
        await tickets.write(session, row, Draft(AuthorKind.AGENT, "one two"), POLICY)
    return await begin(database, ticket_id, at=NOW + timedelta(minutes=5))


class TestByName:
    @pytest.mark.parametrize(
        "order", list(itertools.permutations(["sent", "delivered", "read"])), ids=str
    )
    async def test_order_of_news_makes_no_difference(
        self, database: Database, ticket_id: UUID, order: tuple[str, ...]
    ) -> None:
        """`sent` is our own call's answer; the others may overtake it."""
        outgoing = await begin(database, ticket_id)
        for each in order:
            if each == "sent":
                await sent(database, outgoing)
            else:
                await news(database, DeliveryState(each))
        assert await state(database, ticket_id) is READ
        async with database.begin() as session:
            assert await session.scalar(select(func.count()).select_from(EarlyNews)) == 0

    async def test_what_was_sent_along_tells_before_the_call_has_returned(
        self, database: Database, ticket_id: UUID
    ) -> None:
        outgoing = await begin(database, ticket_id)
        await news(database, DELIVERED, ours=piece_id(outgoing, 0))
        assert await state(database, ticket_id) is DELIVERED
        await sent(database, outgoing)
        await news(database, READ)
        assert await state(database, ticket_id) is READ

    async def test_early_failure_is_told_to_agents(
        self, database: Database, ticket_id: UUID
    ) -> None:
        outgoing = await begin(database, ticket_id)
        await news(database, FAILED, error="The customer has blocked us.")
        await sent(database, outgoing)
        async with database.begin() as session:
            known = (await deliveries.progress(session, ticket_id, [2]))[2]
        assert (known.state, known.error) == (FAILED, "The customer has blocked us.")

    async def test_names_of_others_messages_change_nothing(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await sent(database, await begin(database, ticket_id))
        await news(database, READ, name="wamid.other")
        assert await state(database, ticket_id) is SENT

    @pytest.mark.parametrize("ours", ["rubbish", "0" * 32 + "/2/0", "", "x" * 5000])
    async def test_rubbish_sent_back_is_nobodys(
        self, database: Database, ticket_id: UUID, ours: str
    ) -> None:
        await sent(database, await begin(database, ticket_id))
        await news(database, READ, name="wamid.other", ours=ours)
        assert await state(database, ticket_id) is SENT


class TestPieces:
    async def test_message_is_as_far_as_its_slowest_piece(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await sent(database, await begin(database, ticket_id, of=2), "wamid.1")
        await news(database, READ, "wamid.1")
        assert await state(database, ticket_id) is PENDING
        await sent(database, await begin(database, ticket_id, of=2), "wamid.2")
        assert await state(database, ticket_id) is SENT
        await news(database, DELIVERED, "wamid.2")
        assert await state(database, ticket_id) is DELIVERED
        await news(database, READ, "wamid.2")
        assert await state(database, ticket_id) is READ

    async def test_one_that_fails_fails_the_message(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await sent(database, await begin(database, ticket_id, of=2), "wamid.1")
        await news(database, FAILED, "wamid.1")
        assert await state(database, ticket_id) is FAILED

    async def test_what_is_sent_again_begins_with_the_first_that_failed(
        self, database: Database, ticket_id: UUID
    ) -> None:
        """Whichever of them was told first."""
        for name in ("wamid.1", "wamid.2"):
            await sent(database, await begin(database, ticket_id, of=2), name)
        await news(database, FAILED, "wamid.2")
        await news(database, FAILED, "wamid.1")
        async with database.begin() as session:
            assert await outbox.again(session, ticket_id, 2)
        assert (await begin(database, ticket_id, of=2)).pieces_sent == 0

    async def test_repeated_failure_of_the_first_attempt_does_not_fail_the_next(
        self, database: Database, ticket_id: UUID
    ) -> None:
        outgoing = await begin(database, ticket_id)
        await sent(database, outgoing, "wamid.1")
        await news(database, FAILED, "wamid.1", ours=piece_id(outgoing, 0))
        async with database.begin() as session:
            assert await outbox.again(session, ticket_id, 2)
        await sent(database, await begin(database, ticket_id), "wamid.2")
        await news(database, FAILED, "wamid.1", ours=piece_id(outgoing, 0))
        assert await state(database, ticket_id) is SENT
        await news(database, FAILED, "wamid.2", ours=piece_id(outgoing, 0))
        assert await state(database, ticket_id) is FAILED

    async def test_lost_one_that_turns_up_lets_the_others_follow(
        self, database: Database, ticket_id: UUID
    ) -> None:
        outgoing = await begin(database, ticket_id, of=2)
        async with database.begin() as session:
            await outbox.give_up_on(session, outgoing, 0, "Nobody knows.")
        assert await state(database, ticket_id) is UNKNOWN
        await news(database, DELIVERED, ours=piece_id(outgoing, 0))
        assert await state(database, ticket_id) is PENDING
        follows = await begin(database, ticket_id, of=2)
        assert (follows.pieces_sent, follows.first_tried_at) == (1, None)


class TestWatermarks:
    async def test_all_that_went_out_until_then_is_read(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await sent(database, await begin(database, ticket_id))
        await news_until(database, READ, NOW + timedelta(seconds=1))
        assert await state(database, ticket_id) is READ

    async def test_later_ones_are_not(self, database: Database, ticket_id: UUID) -> None:
        await sent(database, await begin(database, ticket_id))
        await news_until(database, READ, NOW - timedelta(seconds=1))
        assert await state(database, ticket_id) is SENT

    async def test_one_that_overtakes_our_calls_answer_counts(
        self, database: Database, ticket_id: UUID
    ) -> None:
        outgoing = await begin(database, ticket_id)
        await news_until(database, READ, NOW + timedelta(seconds=1))
        assert await state(database, ticket_id) is PENDING
        await sent(database, outgoing)
        assert await state(database, ticket_id) is READ

    async def test_other_customers_say_nothing_of_ours(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await sent(database, await begin(database, ticket_id))
        await news_until(database, READ, NOW + timedelta(hours=1), address="+15550199")
        assert await state(database, ticket_id) is SENT

    async def test_nothing_is_kept_of_somebody_to_whom_nothing_went(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await begin(database, ticket_id)
        for address in (ADA, "+15550199"):
            await news_until(database, READ, NOW, address)
        async with database.begin() as session:
            assert list(await session.scalars(select(Contact.address))) == [ADA]

    async def test_older_one_takes_nothing_back(self, database: Database, ticket_id: UUID) -> None:
        outgoing = await begin(database, ticket_id)
        await news_until(database, READ, NOW + timedelta(seconds=1))
        await news_until(database, READ, NOW - timedelta(hours=1))
        await sent(database, outgoing)
        assert await state(database, ticket_id) is READ


class TestEchoes:
    async def test_ours_is_known_by_what_was_sent_along(
        self, database: Database, ticket_id: UUID
    ) -> None:
        outgoing = await begin(database, ticket_id)
        assert await echo(database, "one two", piece_id(outgoing, 0))
        assert await state(database, ticket_id) is SENT

    async def test_ours_is_known_by_its_name(self, database: Database, ticket_id: UUID) -> None:
        await sent(database, await begin(database, ticket_id))
        assert await echo(database, "one two")

    async def test_ours_is_known_by_what_it_says_while_it_is_under_way(
        self, database: Database, ticket_id: UUID
    ) -> None:
        outgoing = await begin(database, ticket_id)
        assert await echo(database, "one  two")
        await sent(database, outgoing)
        assert await state(database, ticket_id) is SENT

    @pytest.mark.parametrize(("minutes", "of"), [(0, 2), (5, 4)])
    async def test_of_two_that_say_the_same_it_is_the_last_that_was_tried_before(
        self, database: Database, ticket_id: UUID, minutes: int, of: int
    ) -> None:
        await two_that_say_the_same(database, ticket_id)
        at = NOW + timedelta(minutes=minutes, seconds=1)
        assert await echo(database, "one two", at=at)
        names = {seq: await name_of(database, ticket_id, seq) for seq in (2, 4)}
        assert names == {2: None, 4: None} | {of: "wamid.1"}

    async def test_echo_that_was_taken_for_anothers_fails_nothing(
        self, database: Database, ticket_id: UUID
    ) -> None:
        second = await two_that_say_the_same(database, ticket_id)
        assert await echo(database, "one two", name="wamid.2", at=NOW)
        await sent(database, second, "wamid.2")
        assert await echo(database, "one two", name="wamid.1", at=NOW + timedelta(minutes=5))
        assert not await echo(database, "one two", name="wamid.3")
        async with database.begin() as session:
            known = await deliveries.progress(session, ticket_id, [2, 4])
        assert {each.state for each in known.values()} == {SENT}

    @pytest.mark.parametrize(("said", "to"), [("other", ADA), ("one two", "+15550199"), ("", ADA)])
    async def test_what_somebody_else_says_is_not_ours(
        self, database: Database, ticket_id: UUID, said: str, to: str
    ) -> None:
        await begin(database, ticket_id)
        assert not await echo(database, said, to=to)
        assert await state(database, ticket_id) is PENDING


class TestLocks:
    async def test_whoever_tells_of_a_failure_locks_the_thread_before_its_message(
        self, database: Database, ticket_id: UUID
    ) -> None:
        """Else two who do it at once wait for each other."""
        outgoing = await begin(database, ticket_id)
        await news(database, FAILED)
        async with database.begin() as other:
            await threads.lock(other, ticket_id)
            sending = asyncio.create_task(sent(database, outgoing))
            await asyncio.sleep(0.2)
            assert not sending.done()
            await other.execute(_MESSAGE_AND_PIECE, {"id": ticket_id})
        await sending
        assert await state(database, ticket_id) is FAILED


_MESSAGE_AND_PIECE = text(
    """
    SELECT FROM deliveries JOIN delivery_pieces USING (thread_id, seq)
    WHERE thread_id = :id FOR NO KEY UPDATE NOWAIT
    """
)
