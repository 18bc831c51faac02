"""Two customers who are one person."""

import asyncio
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from domain.errors import CustomerIsBusy, CustomerIsMerged, NotUndoable, SameCustomer
from domain.models import AuthorKind, Channel
from store import conversations, customers, merging, reading, tickets
from store.blobs import Blobs
from store.customer_tables import CustomerRequest
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from tests.store.chatting import say
from tests.store.people import (
    carry_out,
    heard,
    merge,
    owner_of,
    somebody,
    talk_of,
    ticket_of,
    undo,
)
from tests.store.writing import POLICY


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(tmp_path)


async def close(database: Database, ticket_id: UUID) -> None:
    async with database.begin() as session:
        state, thread = await tickets.load(session, ticket_id)
        closed = state.model_copy(update={"status": "closed", "version": state.version + 1})
        await tickets.record(session, thread, closed, [])


async def met(database: Database, introduction: Introduction) -> UUID:
    async with database.begin() as session:
        return (await customers.meet(session, introduction)).id


async def authors(database: Database, thread_id: UUID) -> set[str | None]:
    async with database.begin() as session:
        log = await reading.entries(session, thread_id, limit=100, private=True)
    return {entry.author_id for entry in log if entry.author == AuthorKind.CUSTOMER}


async def done(database: Database, blobs: Blobs, left: UUID, into: UUID) -> CustomerRequest:
    request = await merge(database, left, into)
    assert await carry_out(database, blobs, request) == "done"
    return request


class TestMerging:
    async def test_everything_becomes_the_others(self, database: Database, blobs: Blobs) -> None:
        left = await somebody(database, "49170", name="Jane", email="jane@a.org")
        into = await somebody(database, "49171")
        waiting, over = await ticket_of(database, left), await ticket_of(database, left)
        await close(database, over)
        talk = await talk_of(database, left)
        await done(database, blobs, left, into)
        assert [await owner_of(database, each) for each in (waiting, over)] == [into, into]
        assert await authors(database, over) == {str(into)}
        async with database.begin() as session:
            row = await conversations.find(session, talk)
            known = await customers.identities(session, into)
        assert row.conversation.customer_id == into
        assert [each.identity for each in known] == ["49170", "49171"]
        assert (row.customer.name, row.customer.email) == ("Jane", "jane@a.org")

    async def test_every_old_name_leads_to_the_other(
        self, database: Database, blobs: Blobs
    ) -> None:
        left = await somebody(database, "49170", email="jane@a.org")
        into = await somebody(database, "49171", email="jane@b.org")
        await done(database, blobs, left, into)
        for introduction in (
            Introduction(Channel.WHATSAPP, identities=("49170",)),
            Introduction(Channel.WEB, email="JANE@a.org"),
            Introduction(Channel.WEB, claimed_id=left),
            Introduction(Channel.WEB, customer_id=left),
        ):
            assert await met(database, introduction) == into

    async def test_what_the_other_has_is_not_overwritten(
        self, database: Database, blobs: Blobs
    ) -> None:
        left = await somebody(database, name="Jane", email="jane@a.org")
        into = await somebody(database, name="J. Doe", email="jane@b.org")
        await done(database, blobs, left, into)
        async with database.begin() as session:
            customer = await customers.get(session, left)
        assert (customer.id, customer.name, customer.email) == (into, "J. Doe", "jane@b.org")

    async def test_repeated_message_of_before_is_known(
        self, database: Database, blobs: Blobs
    ) -> None:
        first = await heard(database, "49170", external_id="wamid.1")
        left = await somebody(database, "49170")
        await done(database, blobs, left, await somebody(database, "49171"))
        again = await heard(database, "49170", external_id="wamid.1")
        assert (again.entry.id, again.entry.created) == (first.entry.id, False)

    async def test_goes_on_in_the_active_ticket(self, database: Database, blobs: Blobs) -> None:
        first = await heard(database, "49170")
        left, into = await somebody(database, "49170"), await somebody(database, "49171")
        await done(database, blobs, left, into)
        assert (await heard(database, "49170", "more")).ticket_id == first.ticket_id

    async def test_both_may_be_talking(self, database: Database, blobs: Blobs) -> None:
        left, into = await somebody(database), await somebody(database)
        first, second = await talk_of(database, left), await talk_of(database, into)
        await done(database, blobs, left, into)
        for each in (first, second):
            await say(database, each)
        async with database.begin() as session:
            assert await conversations.open_of(session, into) == second

    async def test_chains_lead_to_the_last(self, database: Database, blobs: Blobs) -> None:
        people = [await somebody(database, str(number) * 5) for number in range(4)]
        ticket_id = await ticket_of(database, people[0])
        for left, into in pairwise(people):
            await done(database, blobs, left, into)
        assert await owner_of(database, ticket_id) == people[-1]
        assert await met(database, Introduction(Channel.WEB, claimed_id=people[0])) == people[-1]

    async def test_goes_on_after_a_crash_between_any_two_batches(
        self, database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left, into = await somebody(database, "49170"), await somebody(database)
        owned = [await ticket_of(database, left) for _ in range(6)]
        for each in owned:
            await close(database, each)
        request = await merge(database, left, into)
        moved = 0
        move_some = merging._merge_some

        async def dying(*args: object) -> bool:
            nonlocal moved
            await move_some(database, request, 1)
            moved += 1
            raise ConnectionError

        monkeypatch.setattr(merging, "_merge_some", dying)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await merging.merge(database, request)
        monkeypatch.undo()
        assert await carry_out(database, blobs, request) == "done"
        assert {await owner_of(database, each) for each in owned} == {into}
        assert await carry_out(database, blobs, await undo(database, request)) == "done"
        assert {await owner_of(database, each) for each in owned} == {left}


class TestRefusals:
    async def test_into_oneself(self, database: Database) -> None:
        left = await somebody(database)
        with pytest.raises(SameCustomer):
            await merge(database, left, left)

    async def test_one_at_a_time(self, database: Database) -> None:
        first, second, third = [await somebody(database) for _ in range(3)]
        await merge(database, first, second)
        for left, into in ((first, third), (second, third), (third, first)):
            with pytest.raises(CustomerIsBusy):
                await merge(database, left, into)

    async def test_twenty_at_once_make_one(self, database: Database) -> None:
        left, into = await somebody(database), await somebody(database)
        asked = await asyncio.gather(
            *(merge(database, *pair) for pair in [(left, into), (into, left)] * 10),
            return_exceptions=True,
        )
        assert sum(isinstance(each, CustomerRequest) for each in asked) == 1
        assert sum(isinstance(each, CustomerIsBusy) for each in asked) == 19

    async def test_merged_ones(self, database: Database, blobs: Blobs) -> None:
        left, into = await somebody(database), await somebody(database)
        await done(database, blobs, left, into)
        for pair in ((left, into), (into, left)):
            with pytest.raises(CustomerIsMerged):
                await merge(database, *pair)


class TestUndoing:
    async def test_gives_back_what_was_moved(self, database: Database, blobs: Blobs) -> None:
        left = await somebody(database, "49170", name="Jane", email="jane@a.org")
        into = await somebody(database, "49171")
        mine, theirs = await ticket_of(database, left), await ticket_of(database, into)
        over = await ticket_of(database, left)
        await close(database, over)
        request = await done(database, blobs, left, into)
        assert await carry_out(database, blobs, await undo(database, request)) == "done"
        assert [await owner_of(database, each) for each in (mine, over, theirs)] == [
            left,
            left,
            into,
        ]
        assert await authors(database, over) == {str(left)}
        async with database.begin() as session:
            before = await customers.find(session, left)
            other = await customers.find(session, into)
            known = await customers.identities(session, left)
        assert (before.name, before.email, before.merged_into) == ("Jane", "jane@a.org", None)
        assert (other.name, other.email) == (None, None)
        assert [each.identity for each in known] == ["49170"]

    async def test_what_came_since_stays(self, database: Database, blobs: Blobs) -> None:
        left, into = await somebody(database, "49170"), await somebody(database, "49171")
        request = await done(database, blobs, left, into)
        since = (await heard(database, "49170")).ticket_id
        assert await carry_out(database, blobs, await undo(database, request)) == "done"
        assert await owner_of(database, since) == into

    async def test_only_once(self, database: Database, blobs: Blobs) -> None:
        left, into = await somebody(database), await somebody(database)
        request = await done(database, blobs, left, into)
        undoing = await undo(database, request)
        with pytest.raises(CustomerIsBusy):
            await undo(database, request)
        await carry_out(database, blobs, undoing)
        with pytest.raises(NotUndoable):
            await undo(database, request)

    async def test_not_after_another_merge(self, database: Database, blobs: Blobs) -> None:
        first, second, third = [await somebody(database) for _ in range(3)]
        request = await done(database, blobs, first, second)
        later = await done(database, blobs, second, third)
        with pytest.raises(NotUndoable):
            await undo(database, request)
        await carry_out(database, blobs, await undo(database, later))
        await carry_out(database, blobs, await undo(database, request))

    async def test_not_after_a_month(self, database: Database, blobs: Blobs) -> None:
        left, into = await somebody(database), await somebody(database)
        request = await done(database, blobs, left, into)
        async with database.begin() as session:
            old = await session.get_one(CustomerRequest, request.id)
            assert old.finished_at is not None
            old.finished_at = old.finished_at.replace(year=2020)
        with pytest.raises(NotUndoable):
            await undo(database, request)


class TestRaces:
    async def test_messages_that_arrive_meanwhile_end_at_the_other(
        self, database: Database, blobs: Blobs
    ) -> None:
        left, into = await somebody(database, "49170"), await somebody(database, "49171")
        owned = [await ticket_of(database, left) for _ in range(10)]
        active = (await heard(database, "49170")).ticket_id
        request = await merge(database, left, into)
        over = owned[5:]
        for each in over:
            await close(database, each)

        async def write(ticket_id: UUID) -> UUID:
            async with database.begin() as session:
                row = await tickets.find(session, ticket_id, lock=True)
                draft = Draft(AuthorKind.CUSTOMER, "more", author_id=str(row.customer.id))
                return (await tickets.write(session, row, draft, POLICY)).ticket_id

        state, written, went_on = await asyncio.gather(
            carry_out(database, blobs, request),
            asyncio.gather(*(write(each) for each in owned * 3)),
            asyncio.gather(*(_ticket_heard(database) for _ in range(20))),
        )
        assert state == "done"
        went = {*written, *went_on}
        assert {await owner_of(database, each) for each in {*went, *owned}} == {into}
        assert set(went_on) == {active}
        for each in {*went, *owned}:
            assert await authors(database, each) == {str(into)}


async def _ticket_heard(database: Database) -> UUID:
    return (await heard(database, "49170", "more")).ticket_id


async def test_who_was_looked_up_before_the_merge_is_the_other_after_it(
    database: Database, blobs: Blobs
) -> None:
    left, into = await somebody(database, "49170"), await somebody(database, "49171")
    async with database.begin() as session:
        assert (await customers.get(session, left)).id == left
        await done(database, blobs, left, into)
        introduction = Introduction(Channel.WEB, claimed_id=left)
        assert (await customers.meet(session, introduction)).id == into
