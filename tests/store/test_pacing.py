"""How fast an outlet may send, on a real PostgreSQL and a clock of the test's own."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from domain.deliveries import Limit
from domain.models import AuthorKind, Channel
from store import customers, outbox, pacing, tickets
from store.customers import Introduction
from store.database import Database
from store.pacing import Hold
from store.threads import Draft
from store.tickets import NewTicket
from tests.store.writing import POLICY

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FREE = [Limit(1_000, MINUTE)]
"""Limits that nobody reaches here."""


async def reply(database: Database, outlet: str, address: str) -> UUID:
    """On its way out."""
    async with database.begin() as session:
        known = Introduction(Channel.WHATSAPP, identities=(address,))
        customer = await customers.meet(session, known)
        new = NewTicket(
            customer.id, Channel.WHATSAPP, "Help", channel_identity=address, outlet=outlet
        )
        first = Draft(AuthorKind.CUSTOMER, "Hello")
        ticket_id = (await tickets.open_ticket(session, new, first, POLICY)).ticket_id
        row = await tickets.find(session, ticket_id, lock=True)
        await tickets.write(session, row, Draft(AuthorKind.AGENT, "Hi"), POLICY)
    return ticket_id


async def try_at(
    database: Database, outlet: str, limits: list[Limit], at: datetime, address: str = "+1"
) -> Hold | None:
    """Take a turn for a new reply, as the activity does."""
    ticket_id = await reply(database, outlet, address)
    async with database.begin() as session:
        outgoing = await outbox.next_pending(session, ticket_id, at)
        assert outgoing is not None
        held = await pacing.hold(session, outlet, limits, address, at)
        if held is None:
            assert await outbox.begin(session, outgoing, 0, 1, None)
    return held


async def note_tried(database: Database, outlet: str, at: datetime, address: str = "+1") -> None:
    """As if it had gone out by then."""
    ticket_id = await reply(database, outlet, address)
    async with database.begin() as session:
        outgoing = await outbox.next_pending(session, ticket_id, at)
        assert outgoing is not None
        assert await outbox.begin(session, outgoing, 0, 1, None)


@pytest.fixture
def outlet() -> str:
    return f"whatsapp-{uuid4().hex}"


class TestLimits:
    async def test_next_one_goes_when_the_first_is_past(
        self, database: Database, outlet: str
    ) -> None:
        limits = [Limit(2, MINUTE)]
        assert await try_at(database, outlet, limits, NOW) is None
        assert await try_at(database, outlet, limits, NOW + MINUTE / 2) is None
        held = await try_at(database, outlet, limits, NOW + MINUTE * 0.75)
        assert held is not None
        assert (held.wait, held.cause) == (MINUTE / 4, "rate")
        assert await try_at(database, outlet, limits, NOW + MINUTE) is None
        assert await try_at(database, outlet, limits, NOW + MINUTE) is not None

    async def test_one_customers_limit_is_no_others(self, database: Database, outlet: str) -> None:
        limits = [Limit(1, MINUTE, to_each=True)]
        assert await try_at(database, outlet, limits, NOW, "+1") is None
        assert await try_at(database, outlet, limits, NOW, "+2") is None
        assert await try_at(database, outlet, limits, NOW, "+1") is not None

    async def test_one_outlets_limit_is_no_others(self, database: Database, outlet: str) -> None:
        limits = [Limit(1, MINUTE)]
        assert await try_at(database, outlet, limits, NOW) is None
        assert await try_at(database, f"{outlet}0", limits, NOW) is None


class TestPauses:
    @pytest.fixture(autouse=True)
    async def paused(self, database: Database, outlet: str) -> None:
        async with database.begin() as session:
            await pacing.pause(session, outlet, NOW, "The token is refused.")

    async def test_nothing_goes_out_and_everybody_looks_again_soon(
        self, database: Database, outlet: str
    ) -> None:
        held = await try_at(database, outlet, FREE, NOW + MINUTE)
        assert held == Hold(MINUTE / 2, "paused", "The token is refused.")

    async def test_when_it_is_over_one_goes_ahead(self, database: Database, outlet: str) -> None:
        assert await try_at(database, outlet, FREE, NOW + 6 * MINUTE) is None
        assert await try_at(database, outlet, FREE, NOW + 6 * MINUTE) is not None

    async def test_one_that_went_ahead_and_died_is_followed_by_another(
        self, database: Database, outlet: str
    ) -> None:
        assert await try_at(database, outlet, FREE, NOW + 6 * MINUTE) is None
        assert await try_at(database, outlet, FREE, NOW + 8 * MINUTE) is None

    async def test_one_that_must_wait_anyway_does_not_go_ahead(
        self, database: Database, outlet: str
    ) -> None:
        limits = [Limit(1, MINUTE, to_each=True)]
        at = NOW + 6 * MINUTE
        await note_tried(database, outlet, at - MINUTE / 2)
        held = await try_at(database, outlet, limits, at, "+1")
        assert held is not None
        assert held.cause == "rate"
        assert await try_at(database, outlet, limits, at, "+2") is None

    async def test_resuming_lets_all_go(self, database: Database, outlet: str) -> None:
        async with database.begin() as session:
            assert await pacing.resume(session, outlet)
            assert not await pacing.resume(session, outlet)
        assert await try_at(database, outlet, FREE, NOW) is None
        assert await try_at(database, outlet, FREE, NOW) is None
