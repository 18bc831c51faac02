"""Which ticket a mail goes into, and what else becomes of it."""

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from domain.mail import Fate, Mail, Mailbox, MailFile, MailKind, Report, message_id_of
from domain.models import AuthorKind, DeliveryState, EventType, TicketStatus
from store import deliveries, outbox, reading, threads, tickets
from store.attachments import get
from store.blobs import Blobs
from store.database import Database
from store.errand_tables import StoredAttachment
from store.mail import Taken, take
from store.mail_taker import MailTaker
from store.reading import Entry
from store.tables import Customer, Ticket
from store.threads import Draft
from tests.store.writing import POLICY

MAILBOX = Mailbox("support@holdfast.example", "email-support@holdfast.example")
_COUNTER = itertools.count()


def a_mail(text: str = "It does not print.", **also: Any) -> Mail:  # noqa: ANN401
    given = {
        "kind": MailKind.PERSON,
        "address": "ada@example.com",
        "name": "Ada Lovelace",
        "to": (MAILBOX.address,),
        "subject": "Help",
        "message_id": f"<{next(_COUNTER)}@example.com>",
        "in_reply_to": (),
        "references": (),
        "date": None,
        "text": text,
    }
    return Mail(**{**given, **also})


async def take_one(database: Database, mail: Mail) -> Taken:
    async with database.begin() as session:
        return await take(session, MAILBOX, mail, [], POLICY)


async def taken_into(database: Database, mail: Mail) -> UUID:
    taken = await take_one(database, mail)
    assert taken.written is not None
    return taken.written.ticket_id


async def ticket(database: Database, ticket_id: UUID) -> Ticket:
    async with database.begin() as session:
        return (await tickets.find(session, ticket_id)).ticket


async def log(database: Database, ticket_id: UUID) -> list[Entry]:
    async with database.begin() as session:
        return await reading.entries(session, ticket_id, after_seq=0, limit=100, private=True)


async def reply(database: Database, ticket_id: UUID) -> tuple[UUID, int]:
    """Of an agent, on its way: the message's id and seq."""
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        draft = Draft(AuthorKind.AGENT, "Have you tried?", author_id="grace", author_name="Grace")
        written = await tickets.write(session, row, draft, POLICY)
        outgoing = await outbox.next_pending(session, ticket_id, datetime.now(UTC))
        assert outgoing is not None
        assert await outbox.begin(session, outgoing, 0, 1, called(written.entry.id))
        return written.entry.id, written.entry.seq


def called(message_id: UUID) -> str:
    return message_id_of(message_id, 0, "holdfast.example")


async def close(database: Database, ticket_id: UUID) -> None:
    async with database.begin() as session:
        await session.execute(
            text("UPDATE tickets SET status = 'closed' WHERE id = :id"), {"id": ticket_id}
        )
        await threads.close(session, ticket_id)


async def handed_over(database: Database, ticket_id: UUID) -> bool:
    async with database.begin() as session:
        return (await tickets.find(session, ticket_id)).thread.handed_over


class TestNewTickets:
    async def test_a_mail_opens_a_ticket(self, database: Database) -> None:
        taken = await take_one(database, a_mail(subject="Help [#17]", quoted="Hello\n> Hi"))
        assert taken.written is not None
        row = await ticket(database, taken.written.ticket_id)
        assert (row.channel, row.subject, row.status) == ("email", "Help", TicketStatus.NEW)
        assert (row.channel_identity, row.outlet) == ("ada@example.com", MAILBOX.outlet)
        assert taken.number == row.number
        assert taken.written.entry.nudge
        (entry,) = await log(database, row.id)
        assert (entry.content, entry.author_name) == ("It does not print.", "Ada Lovelace")
        assert entry.metadata == {"quoted": "Hello\n> Hi"}
        async with database.begin() as session:
            customer = await session.get_one(Customer, row.customer_id)
        assert (customer.email, customer.name) == ("ada@example.com", "Ada Lovelace")

    async def test_the_same_mail_again_changes_nothing(self, database: Database) -> None:
        mail = a_mail()
        ticket_id = await taken_into(database, mail)
        again = await take_one(database, replace(mail, text="It does not print.\n\nFooter"))
        assert again.written is None
        assert len(await log(database, ticket_id)) == 1

    async def test_the_same_mail_twice_at_once_is_one_ticket(self, database: Database) -> None:
        mail = a_mail()
        taken = await asyncio.gather(*(take_one(database, mail) for _ in range(5)))
        assert sum(each.written is not None for each in taken) == 1

    async def test_a_mail_without_subject_is_called_by_its_words(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail("My printer burns. Help!", subject=""))
        assert (await ticket(database, ticket_id)).subject == "My printer burns."

    async def test_a_mail_without_words_says_so(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail(""))
        assert (await log(database, ticket_id))[0].content == "The mail has no text."

    async def test_a_very_long_mail_is_several_messages(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail("x" * 40_000))
        assert [len(each.content) for each in await log(database, ticket_id)] == [
            16_000,
            16_000,
            8_000,
        ]

    async def test_our_own_mail_is_ignored(self, database: Database) -> None:
        assert await take_one(database, a_mail(kind=MailKind.OWN)) == Taken()


class TestThreads:
    async def test_an_answer_to_our_reply_goes_into_its_ticket(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail())
        message_id, _ = await reply(database, ticket_id)
        answer = a_mail("Yes", subject="Totally else", in_reply_to=(called(message_id),))
        assert await taken_into(database, answer) == ticket_id
        assert (await log(database, ticket_id))[-1].metadata == {"subject": "Totally else"}

    async def test_an_answer_to_a_mail_in_the_log_goes_into_its_ticket(
        self, database: Database
    ) -> None:
        first = a_mail()
        ticket_id = await taken_into(database, first)
        more = a_mail("And more", subject="Else", references=("<x@y>", first.message_id, "<z@y>"))
        assert await taken_into(database, more) == ticket_id

    async def test_somebody_elses_answer_is_theirs_in_that_ticket(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail())
        message_id, _ = await reply(database, ticket_id)
        answer = a_mail("I too", address="eve@x.org", name="Eve", in_reply_to=(called(message_id),))
        assert await taken_into(database, answer) == ticket_id
        entry = (await log(database, ticket_id))[-1]
        assert (entry.author_name, entry.metadata) == ("Eve", {"from": "eve@x.org"})
        assert (await ticket(database, ticket_id)).channel_identity == "ada@example.com"

    async def test_an_unknown_message_id_of_our_form_is_nobodys(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail())
        mail = a_mail(subject="Else", in_reply_to=(called(UUID(int=5)),))
        assert await taken_into(database, mail) != ticket_id

    async def test_an_answer_to_an_erased_ticket_opens_a_new_one(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail())
        message_id, _ = await reply(database, ticket_id)
        await close(database, ticket_id)
        async with database.begin() as session:
            await session.execute(text("UPDATE tickets SET channel_identity = NULL"))
        answer = a_mail("Hello?", in_reply_to=(called(message_id),))
        assert (await ticket(database, await taken_into(database, answer))).follow_up_of is None

    async def test_the_number_counts_for_the_tickets_own_customer(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail())
        number = (await ticket(database, ticket_id)).number
        tag = f"About my printer [#{number}]"
        assert await taken_into(database, a_mail(subject=tag)) == ticket_id
        assert await taken_into(database, a_mail(subject=tag, address="eve@x.org")) != ticket_id

    async def test_the_same_subject_goes_on(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail())
        assert await taken_into(database, a_mail(subject="AW: help")) == ticket_id
        assert await taken_into(database, a_mail(subject="Help me")) != ticket_id
        assert await taken_into(database, a_mail(subject="Help", address="eve@x.org")) != ticket_id

    async def test_mails_without_subject_are_apart(self, database: Database) -> None:
        ticket_id = await taken_into(database, a_mail(subject="Re:"))
        assert await taken_into(database, a_mail(subject="Re:")) != ticket_id

    async def test_the_same_subject_of_a_closed_ticket_is_a_new_one(
        self, database: Database
    ) -> None:
        ticket_id = await taken_into(database, a_mail())
        await close(database, ticket_id)
        later = await taken_into(database, a_mail())
        assert later != ticket_id

    async def test_an_answer_to_a_closed_ticket_opens_one_that_follows(
        self, database: Database
    ) -> None:
        ticket_id = await taken_into(database, a_mail())
        message_id, _ = await reply(database, ticket_id)
        await close(database, ticket_id)
        taken = await take_one(database, a_mail("Again", in_reply_to=(called(message_id),)))
        assert taken.written is not None
        row = await ticket(database, taken.written.ticket_id)
        assert (row.follow_up_of, row.number, row.outlet) == (
            ticket_id,
            taken.number,
            MAILBOX.outlet,
        )


class TestPrograms:
    async def test_a_program_opens_a_ticket_that_no_assistant_answers(
        self, database: Database
    ) -> None:
        ticket_id = await taken_into(database, a_mail(kind=MailKind.AUTOMATIC))
        assert await handed_over(database, ticket_id)
        assert not await handed_over(database, await taken_into(database, a_mail(subject="Else")))

    async def test_an_auto_reply_is_told_to_agents_and_nothing_else(
        self, database: Database
    ) -> None:
        ticket_id = await taken_into(database, a_mail())
        message_id, _ = await reply(database, ticket_id)
        away = a_mail("I am away.", kind=MailKind.AUTO_REPLY, in_reply_to=(called(message_id),))
        for _ in range(2):
            assert await take_one(database, away) == Taken()
        entries = await log(database, ticket_id)
        assert len(entries) == 3
        event = entries[-1].event
        assert event is not None
        assert (event["type"], event["text"]) == (EventType.AUTO_REPLIED, "I am away.")
        assert entries[-1].visibility == "private"

    async def test_an_auto_reply_to_nothing_is_ignored(self, database: Database) -> None:
        await take_one(database, a_mail(kind=MailKind.AUTO_REPLY))
        async with database.begin() as session:
            assert (await session.scalars(select(Ticket.id))).all() == []
            assert (await session.scalars(select(Customer.id))).all() == []

    async def test_an_auto_reply_to_a_closed_ticket_is_ignored(self, database: Database) -> None:
        first = a_mail()
        ticket_id = await taken_into(database, first)
        await close(database, ticket_id)
        await take_one(database, a_mail(kind=MailKind.AUTO_REPLY, in_reply_to=(first.message_id,)))
        assert len(await log(database, ticket_id)) == 1

    async def test_a_program_that_says_not_that_it_is_one_is_left_to_people_in_the_end(
        self, database: Database
    ) -> None:
        first = a_mail()
        ticket_id = await taken_into(database, first)
        for _ in range(19):
            await take_one(database, a_mail("Thank you!", in_reply_to=(first.message_id,)))
        assert not await handed_over(database, ticket_id)
        await take_one(database, a_mail("Thank you!", in_reply_to=(first.message_id,)))
        assert await handed_over(database, ticket_id)

    async def test_the_same_with_a_new_subject_each_time(self, database: Database) -> None:
        opened = [await taken_into(database, a_mail(subject=f"Got it {n}")) for n in range(11)]
        assert [await handed_over(database, each) for each in opened] == [False] * 10 + [True]


class TestReports:
    @pytest.fixture
    async def sent(self, database: Database) -> tuple[UUID, int, str]:
        """A reply that was sent: its ticket, seq and Message-ID."""
        ticket_id = await taken_into(database, a_mail())
        message_id, seq = await reply(database, ticket_id)
        async with database.begin() as session:
            await session.execute(_SENT, {"id": ticket_id})
        return ticket_id, seq, called(message_id)

    @pytest.mark.parametrize(
        ("fate", "state"),
        [
            (Fate.FAILED, DeliveryState.FAILED),
            (Fate.DELIVERED, DeliveryState.DELIVERED),
            (Fate.READ, DeliveryState.READ),
            (Fate.DELAYED, DeliveryState.SENT),
            (Fate.OTHER, DeliveryState.SENT),
        ],
    )
    async def test_reports_move_the_delivery(
        self, database: Database, sent: tuple[UUID, int, str], fate: Fate, state: DeliveryState
    ) -> None:
        ticket_id, seq, name = sent
        report = Report(name, fate, "5.1.1")
        assert await take_one(database, a_mail(kind=MailKind.REPORT, report=report)) == Taken()
        async with database.begin() as session:
            progress = (await deliveries.progress(session, ticket_id, [seq]))[seq]
        assert progress.state is state
        if state is DeliveryState.FAILED:
            assert progress.error == "The mail came back: there is no such address (5.1.1)."

    async def test_a_report_of_a_strangers_mail_leaves_no_trace(self, database: Database) -> None:
        for message_id in (None, "<x@y>"):
            report = Report(message_id, Fate.FAILED)
            await take_one(database, a_mail(kind=MailKind.REPORT, report=report))
        async with database.begin() as session:
            assert await session.scalar(text("SELECT count(*) FROM early_news")) == 0


class TestFiles:
    @pytest.fixture
    def taker(self, database: Database, tmp_path: Path) -> MailTaker:
        return MailTaker(database, Blobs.open(tmp_path / "blobs"), MAILBOX, POLICY)

    async def test_files_are_kept_with_the_message(
        self, database: Database, taker: MailTaker, tmp_path: Path
    ) -> None:
        files = (MailFile("log.txt", "text/plain", b"error 42"), MailFile("b.png", "x/y", b"\x01"))
        taken = await taker.take(a_mail("", files=files))
        assert taken.written is not None
        (entry,) = await log(database, taken.written.ticket_id)
        assert entry.content == "Sent files."
        assert [each["name"] for each in entry.attachments] == ["log.txt", "b.png"]
        assert entry.attachments[0]["content_type"] == "text/plain"
        async with database.begin() as session:
            row = await get(session, UUID(entry.attachments[0]["id"].removeprefix("att_")))
        assert row is not None
        assert (tmp_path / "blobs" / row.key).read_bytes() == b"error 42"

    async def test_files_of_the_same_mail_again_leave_nothing(
        self, database: Database, taker: MailTaker, tmp_path: Path
    ) -> None:
        mail = a_mail(files=(MailFile("log.txt", "text/plain", b"error 42"),))
        await asyncio.gather(*(taker.take(mail) for _ in range(3)))
        async with database.begin() as session:
            assert len((await session.scalars(select(StoredAttachment.id))).all()) == 1
        assert len([each for each in (tmp_path / "blobs").iterdir() if each.is_file()]) == 1

    async def test_files_of_strangers_reports_are_not_kept(
        self, database: Database, taker: MailTaker
    ) -> None:
        file = MailFile("mail.eml", "message/rfc822", b"x")
        await taker.take(a_mail(kind=MailKind.REPORT, files=(file,)))
        async with database.begin() as session:
            assert (await session.scalars(select(StoredAttachment.id))).all() == []


_SENT = text(
    """
    WITH moved AS (
        UPDATE deliveries SET state = 'sent', pieces_sent = 1 WHERE thread_id = :id
        RETURNING thread_id, seq
    )
    UPDATE delivery_pieces SET state = 'sent' FROM moved
    WHERE delivery_pieces.thread_id = moved.thread_id AND delivery_pieces.seq = moved.seq
    """
)
