"""The outbox on a real PostgreSQL; how it is emptied: tests/workflows/test_outbox.py."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.deliveries import Outgoing
from domain.models import AuthorKind, Channel, DeliveryState, Visibility
from store import customers, deliveries, outbox, tickets
from store.customers import Introduction
from store.database import Database
from store.deliveries import Progress
from store.threads import Draft
from store.tickets import NewTicket
from tests.store.writing import POLICY

PENDING, SENT, DELIVERED, READ, FAILED, UNKNOWN = (
    DeliveryState.PENDING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
    DeliveryState.FAILED,
    DeliveryState.UNKNOWN,
)
OUTLET = "xmpp-support@example.org"
ADA = "ada@example.com"


@pytest.fixture
async def ticket_id(database: Database) -> UUID:
    """Of a ticket whose replies go out, with one message, seq 1."""
    async with database.begin() as session:
        customer = await customers.meet(session, Introduction(Channel.XMPP, identities=(ADA,)))
        new = NewTicket(customer.id, Channel.XMPP, "Help", channel_identity=ADA, outlet=OUTLET)
        first = Draft(AuthorKind.CUSTOMER, "Hello")
        return (await tickets.open_ticket(session, new, first, POLICY)).ticket_id


async def write(database: Database, ticket_id: UUID, draft: Draft) -> int:
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        return (await tickets.write(session, row, draft, POLICY)).entry.seq


async def reply(database: Database, ticket_id: UUID, content: str = "a reply") -> int:
    return await write(database, ticket_id, Draft(AuthorKind.AGENT, content))


async def move(database: Database, ticket_id: UUID, seq: int, *states: DeliveryState) -> list[bool]:
    moved: list[bool] = []
    for state in states:
        async with database.begin() as session:
            moved.append(await deliveries.move(session, ticket_id, seq, state))
    return moved


async def attempt(database: Database, ticket_id: UUID) -> Outgoing | None:
    async with database.begin() as session:
        outgoing = await outbox.next_pending(session, ticket_id, datetime.now(UTC))
        if outgoing is not None:
            await outbox.begin(session, outgoing, 0, 1, None)
        return outgoing


async def next_pending(database: Database, ticket_id: UUID) -> Outgoing:
    async with database.begin() as session:
        outgoing = await outbox.next_pending(session, ticket_id, datetime.now(UTC))
    assert outgoing is not None
    return outgoing


async def progress(database: Database, ticket_id: UUID) -> dict[int, Progress]:
    async with database.begin() as session:
        return await deliveries.progress(session, ticket_id, range(20))


class TestWhatGoesOut:
    async def test_reply_is_pending_with_its_message(
        self, database: Database, ticket_id: UUID
    ) -> None:
        seq = await reply(database, ticket_id)
        known = await progress(database, ticket_id)
        assert (known[seq].state, known[seq].attempts) == (PENDING, 0)

    async def test_reply_that_is_sent_twice_goes_out_once(
        self, database: Database, ticket_id: UUID
    ) -> None:
        draft = Draft(AuthorKind.AGENT, "a reply", source="api/ada", external_id="1")
        assert await write(database, ticket_id, draft) == await write(database, ticket_id, draft)
        assert len(await progress(database, ticket_id)) == 1

    @pytest.mark.parametrize(
        "draft",
        [
            Draft(AuthorKind.CUSTOMER, "more"),
            Draft(AuthorKind.AGENT, "a note", visibility=Visibility.PRIVATE),
            Draft(AuthorKind.SYSTEM, "It happened."),
        ],
    )
    async def test_nothing_else_does(
        self, database: Database, ticket_id: UUID, draft: Draft
    ) -> None:
        await write(database, ticket_id, draft)
        assert await progress(database, ticket_id) == {}


class TestAttempts:
    async def test_first_pending_comes_first_until_it_has_gone(
        self, database: Database, ticket_id: UUID
    ) -> None:
        seqs = [await reply(database, ticket_id, f"reply {number}") for number in range(2)]
        tried = [await attempt(database, ticket_id) for _ in range(2)]
        assert [each and each.content for each in tried] == ["reply 0", "reply 0"]
        await move(database, ticket_id, seqs[0], SENT)
        after = await attempt(database, ticket_id)
        assert after is not None
        assert after.content == "reply 1"

    async def test_second_one_knows_when_the_first_was(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await reply(database, ticket_id)
        first, second = [await attempt(database, ticket_id) for _ in range(2)]
        assert first is not None
        assert second is not None
        assert (first.attempts, first.first_tried_at) == (1, None)
        assert second.attempts == 2
        assert second.first_tried_at is not None

    async def test_only_one_of_two_who_want_to_begin_does(
        self, database: Database, ticket_id: UUID
    ) -> None:
        """Temporal asks another worker while one that seems dead comes back to life."""
        await reply(database, ticket_id)
        both = [await next_pending(database, ticket_id) for _ in range(2)]
        async with database.begin() as session:
            begun = [await outbox.begin(session, each, 0, 1, None) for each in both]
        assert begun == [True, False]

    async def test_what_was_sent_is_no_attempt_at_what_follows(
        self, database: Database, ticket_id: UUID
    ) -> None:
        seq = await reply(database, ticket_id)
        async with database.begin() as session:
            for piece in range(2):
                outgoing = await outbox.next_pending(session, ticket_id, datetime.now(UTC))
                assert outgoing is not None
                assert outgoing.attempts == 1
                assert await outbox.begin(session, outgoing, piece, 3, None)
                await outbox.arrived(session, ticket_id, seq, piece, SENT)
        assert (await progress(database, ticket_id))[seq].attempts == 2

    async def test_late_refusal_says_nothing_of_the_attempt_after_it(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await reply(database, ticket_id)
        first = await attempt(database, ticket_id)
        assert first is not None
        await attempt(database, ticket_id)
        async with database.begin() as session:
            await outbox.put_off(session, first, "Busy.", not_taken=True)
        assert (await next_pending(database, ticket_id)).first_tried_at is not None

    async def test_nothing_pending_is_nothing_to_do(
        self, database: Database, ticket_id: UUID
    ) -> None:
        assert await attempt(database, ticket_id) is None


class TestNews:
    async def test_moves_forwards(self, database: Database, ticket_id: UUID) -> None:
        seq = await reply(database, ticket_id)
        assert await move(database, ticket_id, seq, SENT, DELIVERED, READ) == [True] * 3

    @pytest.mark.parametrize(
        ("before", "late"),
        [
            (READ, DELIVERED),
            (DELIVERED, SENT),
            (DELIVERED, FAILED),
            (READ, FAILED),
            (FAILED, SENT),
            (SENT, SENT),
        ],
    )
    async def test_never_backwards(
        self, database: Database, ticket_id: UUID, before: DeliveryState, late: DeliveryState
    ) -> None:
        seq = await reply(database, ticket_id)
        assert await move(database, ticket_id, seq, before, late) == [True, False]

    @pytest.mark.parametrize("before", [PENDING, SENT, UNKNOWN])
    async def test_error_comes_before_arrival(
        self, database: Database, ticket_id: UUID, before: DeliveryState
    ) -> None:
        seq = await reply(database, ticket_id)
        await move(database, ticket_id, seq, before)
        assert await move(database, ticket_id, seq, FAILED) == [True]

    @pytest.mark.parametrize("before", [FAILED, UNKNOWN])
    async def test_receipt_corrects_what_was_thought(
        self, database: Database, ticket_id: UUID, before: DeliveryState
    ) -> None:
        seq = await reply(database, ticket_id)
        assert await move(database, ticket_id, seq, before, DELIVERED) == [True, True]

    async def test_only_who_got_it_can_tell(self, database: Database, ticket_id: UUID) -> None:
        seq = await reply(database, ticket_id)
        await attempt(database, ticket_id)
        async with database.begin() as session:
            await outbox.name(session, ticket_id, seq, 0, "stanza-1")
            mine = await deliveries.find(session, OUTLET, ADA, "stanza-1")
            strangers = await deliveries.find(session, OUTLET, "eve@example.com", "stanza-1")
        assert mine == (ticket_id, seq, 0)
        assert strangers is None


class TestAgain:
    async def test_message_that_came_back_as_a_whole_goes_out_as_a_whole(
        self, database: Database, ticket_id: UUID
    ) -> None:
        """Its pieces had all been taken."""
        seq = await reply(database, ticket_id)
        await attempt(database, ticket_id)
        async with database.begin() as session:
            await outbox.arrived(session, ticket_id, seq, 0, SENT)
            await deliveries.fail(session, ticket_id, seq, "gone", "Nobody is there.")
            assert await outbox.again(session, ticket_id, seq)
        assert (await next_pending(database, ticket_id)).pieces_sent == 0


class TestOverdue:
    async def test_waits_a_minute_and_is_claimed_once(
        self, database: Database, ticket_id: UUID
    ) -> None:
        await reply(database, ticket_id)
        await reply(database, ticket_id)
        assert await self.overdue(database) == []
        async with database.begin() as session:
            await session.execute(
                text("UPDATE deliveries SET nudge_due_at = now() - interval '1s'")
            )
        assert await self.overdue(database) == [ticket_id]
        assert await self.overdue(database) == []

    @staticmethod
    async def overdue(database: Database) -> list[UUID]:
        async with database.begin() as session:
            return [thread.id for thread in await deliveries.overdue(session, 10)]
