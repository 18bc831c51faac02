"""A person is forgotten: nothing that says who they were, or what they said, is left anywhere."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.deliveries import piece_id
from domain.errors import (
    CustomerIsErased,
    CustomerIsMerged,
    CustomerNotFound,
    TicketIsClosed,
    UnknownCustomer,
)
from domain.events import Event
from domain.files import reference
from domain.ids import attachment_id_text, customer_id_from_subject, ticket_id_text
from domain.models import (
    AuthorKind,
    Channel,
    DeliveryState,
    EventType,
    ThreadKind,
    Visibility,
)
from store import (
    ai_log,
    attachments,
    command_texts,
    conversations,
    customer_requests,
    customers,
    delivery_news,
    erasing,
    outbox,
    reading,
    threads,
    tickets,
    xmpp,
)
from store.attachments import Unwanted
from store.blobs import Blobs, new_key
from store.conversations import NewConversation
from store.customer_tables import CustomerRequest
from store.customers import Introduction
from store.database import Database
from store.tables import Delivery
from store.threads import Draft
from store.tickets import NewTicket
from tests.store.chatting import POLICY as CHAT
from tests.store.chatting import hire
from tests.store.people import carry_out, erase, heard, merge, somebody, talk_of, ticket_of
from tests.store.writing import POLICY

CANARY = "Zanzibar"
ADDRESS = "zanzibar-4917"
"""Everything that must go has one of these in it, whatever the case."""


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(tmp_path)


async def places_of(database: Database, canary: str) -> list[str]:
    """The columns of all tables in which a text still stands."""
    async with database.begin() as session:
        columns = await session.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = 'public'"
            )
        )
        found = []
        for table, column in columns.all():
            like = f'SELECT count(*) FROM "{table}" WHERE CAST("{column}" AS text) ILIKE :canary'
            if await session.scalar(text(like), {"canary": f"%{canary}%"}):
                found.append(f"{table}.{column}")
    return sorted(found)


def files_with(folder: Path, canary: str) -> list[Path]:
    return [
        file
        for file in folder.rglob("*")
        if file.is_file() and canary.lower().encode() in file.read_bytes().lower()
    ]


async def close(database: Database, thread_id: UUID) -> None:
    """As the thread's workflow does when it hears of it."""
    async with database.begin() as session:
        await session.execute(
            text("UPDATE tickets SET status = 'closed' WHERE id = :id"), {"id": thread_id}
        )
        await session.execute(
            text("UPDATE conversations SET status = 'CLOSED' WHERE id = :id"), {"id": thread_id}
        )
        await threads.close(session, thread_id)


async def erased(database: Database, blobs: Blobs, customer_id: UUID) -> str:
    """With all threads closed before, as no workflow is here to do it."""
    async with database.begin() as session:
        found = await session.scalars(text("SELECT id FROM threads WHERE open"))
    for thread_id in found:
        await close(database, thread_id)
    return await carry_out(database, blobs, await erase(database, customer_id))


async def chunks(words: str) -> AsyncIterator[bytes]:
    yield words.encode()


_TRACES = [
    """
    INSERT INTO delivery_pieces
    SELECT thread_id, seq, 0, outlet, address, 'wamid.' || address, 'sent', now() FROM deliveries
    """,
    "UPDATE deliveries SET error = 'No such person: ' || address",
    "INSERT INTO contacts SELECT outlet, address FROM deliveries",
    "INSERT INTO early_news SELECT outlet, external_id, 'read', address FROM delivery_pieces",
    """
    INSERT INTO idempotency_keys SELECT substr(source, 5), external_id, '', 200, content, now()
    FROM messages WHERE source IS NOT NULL
    """,
]


async def a_life(database: Database, blobs: Blobs) -> UUID:
    """Somebody who has left traces everywhere."""
    await hire(database, "ada")
    jid = f"{ADDRESS}@a.org"
    async with database.begin() as session:
        customer = await customers.meet(
            session,
            Introduction(Channel.XMPP, name=f"{CANARY} Doe", email=jid, identities=(jid,)),
        )
        await customers.correct(session, customer, name=None, phone=ADDRESS)
    await _ticket(database, blobs, customer.id, jid)
    await _conversation(database, customer.id)
    await _elsewhere(database, jid)
    other = await somebody(database, f"{ADDRESS}-2", name=f"Old {CANARY}")
    await ticket_of(database, other, f"I am {CANARY}")
    assert await carry_out(database, blobs, await merge(database, other, customer.id)) == "done"
    async with database.begin() as session:
        export = await customer_requests.export(session, customer.id, "user:ada")
    assert await carry_out(database, blobs, export) == "done"
    return customer.id


async def _ticket(database: Database, blobs: Blobs, customer_id: UUID, jid: str) -> None:
    key = new_key()
    await blobs.put(key, chunks(f"a photo of {CANARY}"))
    async with database.begin() as session:
        name = f"{CANARY}.png"
        photo = await attachments.keep(
            session,
            key=key,
            name=name,
            content_type="image/png",
            size=10,
            sha256=b"",
            uploaded_by=f"user:{jid}",
        )
        new = NewTicket(
            customer_id,
            Channel.XMPP,
            f"{CANARY} is broken",
            tags=(f"vip-{CANARY}",),
            channel_identity=jid,
            outlet="xmpp-desk@b.org",
            origin_platform_id=ADDRESS,
        )
        first = Draft(
            AuthorKind.CUSTOMER,
            f"{CANARY} here",
            author_id=str(customer_id),
            author_name=CANARY,
            metadata={"from": jid},
            attachments=[reference(attachment_id_text(photo.id), name, "image/png")],
            source=f"api/user:{jid}",
            external_id=f"xmpp/{jid}/1",
        )
        ticket_id = (await tickets.open_ticket(session, new, first, POLICY)).ticket_id
    for visibility in Visibility:
        async with database.begin() as session:
            row = await tickets.find(session, ticket_id, lock=True)
            reply = Draft(
                AuthorKind.AGENT,
                f"Dear {CANARY}",
                author_id="ada",
                author_name="Ada",
                visibility=visibility,
                attachments=[{"url": f"https://a.org/{CANARY}", "name": CANARY}],
            )
            await tickets.write(session, row, reply, POLICY)
    async with database.begin() as session:
        for statement in _TRACES:
            await session.execute(text(statement))
        quoted = f'{{"id": "{ticket_id_text(ticket_id)}", "subject": "{CANARY}"}}'
        await session.execute(
            text("INSERT INTO idempotency_keys VALUES ('key:1', 'k', '', 200, :body, now())"),
            {"body": quoted},
        )
        uploaded = f'{{"id": "{attachment_id_text(photo.id)}", "name": "{name}"}}'
        await session.execute(
            text("INSERT INTO idempotency_keys VALUES ('key:1', 'u', '', 201, :body, now())"),
            {"body": uploaded},
        )
        number = (await tickets.find(session, ticket_id)).ticket.number
        await ai_log.keep(session, "ada", f"what of {CANARY.lower()}?", "Nothing.", f"/q={CANARY}")
        await ai_log.keep(session, "ada", "what is open?", f"#{number}: {CANARY}: broken", "")


async def _conversation(database: Database, customer_id: UUID) -> None:
    async with database.begin() as session:
        new = NewConversation(customer_id, (f"vip-{CANARY}",), {"page": f"/{CANARY}"})
        started = await conversations.start(session, new, CHAT.queue_timeout)
        talk = started.conversation_id
        await conversations.set_contact_email(session, talk, f"{ADDRESS}@c.org")
        row = await conversations.find(session, talk, lock=True)
        await conversations.write(session, row, Draft(AuthorKind.CUSTOMER, f"I am {CANARY}"))
        row = await conversations.find(session, talk, lock=True)
        row.conversation.close_reason = f"{CANARY} had to go"
        closed = Event(type=EventType.CLOSED, visibility=Visibility.PUBLIC, status="CLOSED")
        told = threads.event_draft(closed, reason=f"{CANARY} had to go", agentName="Ada")
        await threads.append(session, row.locked, told)
        await command_texts.keep(session, uuid4().hex, f"Goodbye {CANARY}", talk)


async def _elsewhere(database: Database, jid: str) -> None:
    async with database.begin() as session:
        await xmpp.is_new(session, jid, "1", timedelta(days=1))
        await xmpp.set_presences(
            session, [xmpp.PresenceOfJid(jid, "phone", "available", None)], timedelta(days=1)
        )


async def test_no_trace_is_left_in_any_table_or_file(
    database: Database, blobs: Blobs, tmp_path: Path
) -> None:
    customer_id = await a_life(database, blobs)
    before = await places_of(database, "zanzibar")
    assert len(before) > 30, before
    assert len(files_with(tmp_path, CANARY)) == 2
    assert await erased(database, blobs, customer_id) == "done"
    assert await places_of(database, "zanzibar") == []
    assert files_with(tmp_path, CANARY) == []


async def test_the_words_cannot_be_found_any_more(database: Database, blobs: Blobs) -> None:
    customer_id = await a_life(database, blobs)
    await erased(database, blobs, customer_id)
    async with database.begin() as session:
        for table in ("messages", "tickets"):
            query = f"SELECT count(*) FROM {table} WHERE search @@ to_tsquery('simple', 'zanzibar')"
            assert await session.scalar(text(query)) == 0


async def test_figures_and_lists_still_add_up(database: Database, blobs: Blobs) -> None:
    customer_id = await a_life(database, blobs)
    count = text(
        "SELECT (SELECT count(*) FROM tickets), (SELECT count(*) FROM messages),"
        " (SELECT count(*) FROM deliveries), (SELECT count(*) FROM ai_responses),"
        " (SELECT sum(last_seq) FROM threads)"
    )
    async with database.begin() as session:
        before = (await session.execute(count)).one()
    await erased(database, blobs, customer_id)
    async with database.begin() as session:
        assert (await session.execute(count)).one() == before
        tallied = await session.scalar(text("SELECT sum(change) FROM ticket_tallies"))
        assert tallied == before[0]


async def test_who_of_the_desk_answered_stays(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database, "49170")
    ticket_id = await ticket_of(database, customer_id)
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        reply = Draft(AuthorKind.AGENT, "Dear Jane", author_id="ada", author_name="Ada")
        await tickets.write(session, row, reply, POLICY)
    await erased(database, blobs, customer_id)
    async with database.begin() as session:
        asked, answered = await reading.entries(
            session, ticket_id, limit=10, private=True, events=False
        )
    assert (asked.content, asked.author_name) == ("[erased]", None)
    assert (answered.content, answered.author_name) == ("[erased]", "Ada")


async def test_others_keep_what_is_theirs(database: Database, blobs: Blobs) -> None:
    customer_id = await a_life(database, blobs)
    other = await somebody(database, "49171", name="Somebody Else", email="else@a.org")
    ticket_id = await ticket_of(database, other, "My words")
    async with database.begin() as session:
        await ai_log.keep(session, "ada", "how are we?", "Fine.", "/")
    await erased(database, blobs, customer_id)
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id)
        (entry,) = await reading.entries(session, ticket_id, limit=10, private=True, events=False)
        answers = await session.scalars(text("SELECT ai_response FROM ai_responses"))
    assert (row.ticket.subject, entry.content, row.customer.name) == (
        "Help",
        "My words",
        "Somebody Else",
    )
    assert "Fine." in set(answers)


async def test_repeated_message_does_not_bring_anything_back(
    database: Database, blobs: Blobs
) -> None:
    first = await heard(database, ADDRESS, f"I am {CANARY}", "wamid.zanzibar")
    await erased(database, blobs, await somebody(database, ADDRESS))
    again = await heard(database, ADDRESS, f"I am {CANARY}", "wamid.zanzibar")
    assert (again.entry.id, again.entry.created) == (first.entry.id, False)
    assert await places_of(database, "zanzibar") == []
    async with database.begin() as session:
        assert await threads.known(session, "whatsapp-1", ["wamid.zanzibar", "x"]) == {
            "wamid.zanzibar"
        }


async def test_who_writes_again_is_new(database: Database, blobs: Blobs) -> None:
    before = await somebody(database, ADDRESS)
    first = await heard(database, ADDRESS, external_id="1")
    await erased(database, blobs, before)
    second = await heard(database, ADDRESS, external_id="2")
    assert second.ticket_id != first.ticket_id
    async with database.begin() as session:
        row = await tickets.find(session, second.ticket_id)
    assert row.customer.id != before
    assert row.ticket.follow_up_of is None


async def test_who_comes_with_an_old_token_is_new_and_stays_the_same(
    database: Database, blobs: Blobs
) -> None:
    async def come() -> UUID:
        async with database.begin() as session:
            claimed = customer_id_from_subject("jane")
            return (await customers.meet(session, Introduction(Channel.WEB, claimed))).id

    async def claim() -> UUID:
        async with database.begin() as session:
            claimed = Introduction(Channel.WEB, claimed_id=customer_id_from_subject("jane"))
            return (await customers.meet(session, claimed)).id

    first = await claim()
    await erased(database, blobs, first)
    second = await claim()
    assert second != first
    assert await claim() == second
    await erased(database, blobs, second)
    assert await claim() not in (first, second)
    with pytest.raises(UnknownCustomer):
        await come()


async def test_nobody_writes_into_an_erased_ticket(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database, ADDRESS)
    ticket_id = await ticket_of(database, customer_id)
    await erased(database, blobs, customer_id)
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        for author in (AuthorKind.CUSTOMER, AuthorKind.AGENT):
            with pytest.raises(TicketIsClosed):
                await tickets.write(session, row, Draft(author, CANARY), POLICY)


async def test_replies_that_wait_are_not_sent(database: Database, blobs: Blobs) -> None:
    await a_life(database, blobs)
    async with database.begin() as session:
        customer = await customers.find_by_email(session, f"{ADDRESS}@a.org")
    assert customer is not None
    await erased(database, blobs, customer.id)
    async with database.begin() as session:
        states = set(await session.scalars(text("SELECT state FROM deliveries")))
        replies = (await session.execute(text("SELECT thread_id, seq FROM deliveries"))).all()
        again = [await outbox.again(session, *each) for each in replies]
    assert states == {"failed"}
    assert set(again) == {False}


async def test_what_platforms_tell_of_an_erased_reply_leaves_no_trace(
    database: Database, blobs: Blobs
) -> None:
    ticket_id = (await heard(database, ADDRESS)).ticket_id
    await _reply(database, ticket_id)
    name, now = f"wamid.{CANARY}", datetime.now(UTC)
    async with database.begin() as session:
        outgoing = await outbox.next_pending(session, ticket_id, now)
        assert outgoing is not None
        assert await outbox.begin(session, outgoing, 0, 1, None)
    await erased(database, blobs, await somebody(database, ADDRESS))
    async with database.begin() as session:
        await delivery_news.sent(session, outgoing, 0, name)
    async with database.begin() as session:
        ours = piece_id(outgoing, 0)
        await delivery_news.news(session, outgoing.outlet, name, ours, DeliveryState.READ)
        await delivery_news.news_until(session, outgoing.outlet, ADDRESS, DeliveryState.READ, now)
    assert await places_of(database, "zanzibar") == []


async def test_erasing_and_a_receipt_never_wait_for_each_other(database: Database) -> None:
    customer_id = await somebody(database, ADDRESS)
    ticket_id = (await heard(database, ADDRESS)).ticket_id
    await _reply(database, ticket_id)
    async with database.begin() as session:
        outgoing = await outbox.next_pending(session, ticket_id, datetime.now(UTC))
        assert outgoing is not None
        assert await outbox.begin(session, outgoing, 0, 1, "wamid.1")
    request = await erase(database, customer_id)
    async with database.begin() as session:
        await session.get_one(
            Delivery, (ticket_id, outgoing.seq), with_for_update={"key_share": True}
        )
        forgetting = asyncio.create_task(
            erasing.erase_thread(database, request, ThreadKind.TICKET, ticket_id)
        )
        async with asyncio.timeout(10):
            while not await _anybody_waits(database):
                await asyncio.sleep(0.01)
        assert await outbox.arrived(session, ticket_id, outgoing.seq, 0, DeliveryState.SENT)
    await forgetting


async def _reply(database: Database, ticket_id: UUID) -> None:
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        await tickets.write(session, row, Draft(AuthorKind.AGENT, "Dear customer"), POLICY)


async def _anybody_waits(database: Database) -> bool:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with database.begin() as session:
        return bool(await session.scalar(waiting))


async def test_ticket_as_which_a_conversation_goes_on_meanwhile_is_erased_too(
    database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the two comes first in the order of ids."""
    customer_id = await somebody(database, ADDRESS)
    talk = await talk_of(database, customer_id)
    erase_thread = erasing.erase_thread
    gone_on: list[UUID] = []

    async def goes_on(
        database: Database, request: CustomerRequest, kind: ThreadKind, thread_id: UUID
    ) -> tuple[bool, list[Unwanted]]:
        if not gone_on:
            gone_on.append(await ticket_of(database, customer_id, CANARY))
            await close(database, gone_on[0])
            await close(database, talk)
        return await erase_thread(database, request, kind, thread_id)

    monkeypatch.setattr(tickets, "new_id", lambda: UUID(int=1))
    monkeypatch.setattr(erasing, "erase_thread", goes_on)
    assert await carry_out(database, blobs, await erase(database, customer_id)) == "done"
    assert gone_on[0] < talk
    assert await places_of(database, CANARY) == []


@pytest.mark.parametrize(
    "name",
    ["हिन्दी नाम", r"\d+ .* [a-", "😀 O'Neil-Smith_", "a\nb\tcde", "Ⅷ ² ßtraße", "x" * 200],
    ids=["marks", "pattern", "signs", "blanks", "numbers", "long"],
)
async def test_whatever_somebody_is_called_can_be_looked_for(
    database: Database, blobs: Blobs, name: str
) -> None:
    await hire(database, "ada")
    async with database.begin() as session:
        await ai_log.keep(session, "ada", f"Who is {name}?", f"{name} is a customer.", "/")
    await erased(database, blobs, await somebody(database, ADDRESS, name=name))
    async with database.begin() as session:
        [kept] = await session.scalars(text("SELECT message FROM ai_interactions"))
    assert kept == "[erased]"


async def test_open_thread_is_told_once_and_waited_for(database: Database) -> None:
    customer_id = await somebody(database, ADDRESS)
    ticket_id = await ticket_of(database, customer_id, CANARY)
    request = await erase(database, customer_id)
    await erasing.forget_names(database, request)
    for _ in range(3):
        async with database.begin() as session:
            found = await erasing.next_threads(session, request, None)
        assert found == [(ThreadKind.TICKET, ticket_id)]
        done, _ = await erasing.erase_thread(database, request, ThreadKind.TICKET, ticket_id)
        assert not done
    async with database.begin() as session:
        log = await reading.entries(session, ticket_id, limit=10, private=True)
    assert [(each.content, each.event and each.event["type"]) for each in log] == [
        ("[erased]", None),
        ("The customer's data was erased.", "erased"),
    ]
    await close(database, ticket_id)
    done, _ = await erasing.erase_thread(database, request, ThreadKind.TICKET, ticket_id)
    assert done
    async with database.begin() as session:
        assert await erasing.next_threads(session, request, None) == []


async def test_erased_ones_are_left_alone(database: Database, blobs: Blobs) -> None:
    customer_id, other = await somebody(database, ADDRESS), await somebody(database)
    await erased(database, blobs, customer_id)
    with pytest.raises(CustomerIsErased):
        await erase(database, customer_id)
    with pytest.raises(CustomerIsErased):
        await merge(database, customer_id, other)
    with pytest.raises(CustomerIsErased):
        await merge(database, other, customer_id)
    with pytest.raises(CustomerIsErased):
        async with database.begin() as session:
            await customer_requests.export(session, customer_id, "user:ada")


async def test_who_was_merged_is_erased_with_the_one_who_stays(
    database: Database, blobs: Blobs
) -> None:
    left, into = await somebody(database, ADDRESS, name=CANARY), await somebody(database)
    await carry_out(database, blobs, await merge(database, left, into))
    with pytest.raises(CustomerIsMerged):
        await erase(database, left)
    await erased(database, blobs, into)
    async with database.begin() as session:
        assert (await customers.find(session, left)).erased_at is not None


async def test_unknown_customer(database: Database) -> None:
    with pytest.raises(CustomerNotFound):
        await erase(database, uuid4())
