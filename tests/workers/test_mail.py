"""Mail in and out with everything real: Dovecot, an SMTP server, PostgreSQL and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import exc, select, update
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.files import StoredFiles
from channels.mail_outlet import MailOutlet
from channels.mail_servers import MailServer
from channels.mail_writing import Correspondent
from domain.deadlines import DeadlinePolicy
from domain.mail import Mail, Mailbox
from domain.models import AuthorKind, DeliveryState, EventType, TicketStatus
from holdfast.embedded.temporal import EmbeddedTemporal
from store import deliveries, mailboxes, tickets
from store.blobs import Blobs
from store.database import Database
from store.mail import Taken
from store.mail_taker import MailTaker
from store.tables import Lease, Ticket
from store.threads import Draft
from tests.channels import dovecot, mails
from tests.channels.dovecot import Dovecot
from tests.channels.smtp_server import HOST, mail_server
from tests.channels.smtp_server import MailServer as Receiver
from tests.store.writing import POLICY
from tests.workflows.desk import PATIENCE, Desk, thread_ref
from tests.workflows.policies import CHAT
from workers import mail as workers_mail
from workers.deliveries import make_delivery_worker
from workers.mail import MailReader, read_mailbox_forever
from workers.threads import Policies, make_worker
from workflows.engine import Engine

pytestmark = pytest.mark.skipif(dovecot.missing() is not None, reason=str(dovecot.missing()))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_mail, "_STAND_BY", 0.1)
    monkeypatch.setattr(workers_mail, "_AGAIN_AFTER", 0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def imap(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dovecot]:
    async with Dovecot(tmp_path_factory.mktemp("dovecot")) as running:
        yield running


@pytest.fixture
async def smtp() -> AsyncIterator[Receiver]:
    async with mail_server() as running:
        yield running


@pytest.fixture
async def client(temporal_server: EmbeddedTemporal) -> Client:
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@pytest.fixture
def engine(client: Client) -> Engine:
    return Engine(client, task_queue=f"test-{uuid4().hex}")


class Office:
    """A desk with a mailbox, and a customer who writes to it."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        imap: Dovecot,
        policy: DeadlinePolicy,
        blobs: Blobs,
    ) -> None:
        self.user = f"support-{uuid4().hex}"
        self.address = f"{self.user}@holdfast.example"
        self.desk = Desk(database, engine, policy)
        self.blobs = blobs
        self._imap = imap
        self._engine = engine
        self.taker = MailTaker(database, blobs, Mailbox.of(self.address), policy)
        self.database = database

    @property
    def server(self) -> MailServer:
        return MailServer.of(self._imap.url(self.user))

    @asynccontextmanager
    async def reading(self, readers: int = 1) -> AsyncIterator[None]:
        loops = [
            asyncio.create_task(
                read_mailbox_forever(self.database, self._engine, self.taker, self.server)
            )
            for _ in range(readers)
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def receive(self, mail: EmailMessage | bytes) -> None:
        raw = mail if isinstance(mail, bytes) else mail.as_bytes()
        await self._imap.deliver(raw, self.user)

    async def unread(self) -> int:
        return len(await self._imap.unread(self.user))

    async def all_tickets(self) -> list[UUID]:
        async with self.database.begin() as session:
            return list(await session.scalars(select(Ticket.id).order_by(Ticket.number)))

    async def until_tickets(self, count: int = 1) -> list[UUID]:
        async with asyncio.timeout(PATIENCE):
            while len(found := await self.all_tickets()) < count:
                await asyncio.sleep(0.02)
        return found

    async def until_log(self, ticket_id: UUID, length: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(await self.desk.log(ticket_id)) < length:
                await asyncio.sleep(0.02)

    async def until_read(self, *, but: int = 0) -> None:
        """But for so many, which stay unread."""
        async with asyncio.timeout(PATIENCE):
            while await self.unread() != but:
                await asyncio.sleep(0.02)

    async def reply(self, ticket_id: UUID, author: AuthorKind, words: str) -> None:
        async with self.database.begin() as session:
            row = await tickets.find(session, ticket_id, lock=True)
            draft = Draft(author, words, author_id="grace", author_name="Grace")
            await tickets.write(session, row, draft, POLICY)
        await self._engine.nudge(thread_ref(ticket_id))

    async def until_delivery(self, ticket_id: UUID, seq: int, state: DeliveryState) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self.database.begin() as session:
                    known = await deliveries.progress(session, ticket_id, [seq])
                if seq in known and known[seq].state is state:
                    return
                await asyncio.sleep(0.02)


def a_mail(words: str = "It does not print.", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    given = {"From": "Ada <ada@example.com>", "Subject": "Help"}
    for name, value in {**given, "Message-ID": f"<{uuid4().hex}@example.com>", **headers}.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(words)
    return mail


def answer_to(mail: EmailMessage, words: str, **headers: str) -> EmailMessage:
    """As mail programs write it."""
    return a_mail(
        f"{words}\n\nOn Mon, 2 Mar 2026 at 10:11, Support wrote:\n\n> Have you tried?\n",
        Subject=f"Re: {mail['Subject']}",
        In_Reply_To=mail["Message-ID"],
        References=f"{mail['References'] or ''} {mail['Message-ID']}".strip(),
        **headers,
    )


@pytest.fixture
def office(database: Database, engine: Engine, imap: Dovecot, tmp_path: Path) -> Office:
    return Office(database, engine, imap, POLICY, Blobs.open(tmp_path / "blobs"))


@pytest.fixture
async def open_office(
    office: Office, client: Client, engine: Engine, database: Database, smtp: Receiver
) -> AsyncIterator[Office]:
    """All of it at work."""
    server = MailServer.of(f"smtp+none://{HOST}:{smtp.port}")
    sender = Correspondent(office.address, "Holdfast Support")
    outlet = MailOutlet(sender, server, StoredFiles(database, office.blobs))
    patience = timedelta(hours=1)
    async with (
        make_worker(client, database, Policies(POLICY, CHAT), task_queue=engine.task_queue),
        make_delivery_worker(client, database, outlet, patience),
        office.reading(),
    ):
        yield office


class TestThereAndBack:
    async def test_a_conversation_by_mail(self, open_office: Office, smtp: Receiver) -> None:
        office = open_office
        await office.receive(first := a_mail())
        (ticket_id,) = await office.until_tickets()
        await office.reply(ticket_id, AuthorKind.AGENT, "Have you tried?")
        await smtp.until(lambda: len(smtp.raw) == 1)
        (mail,) = smtp.mails
        number = (await office.desk.state(ticket_id)).number
        assert mail["Subject"] == f"Re: Help [#{number}]"
        assert mail["From"] == f"Holdfast Support <{office.address}>"
        assert (mail["To"], mail["Auto-Submitted"]) == ("ada@example.com", None)
        assert mail["In-Reply-To"] == first["Message-ID"]
        await office.receive(answer_to(mail, "Yes, I have."))
        await office.until_log(ticket_id, 4)
        assert await office.all_tickets() == [ticket_id]
        said = [each for each in await office.desk.log(ticket_id) if each.event is None]
        assert [each.content for each in said] == [
            "It does not print.",
            "Have you tried?",
            "Yes, I have.",
        ]
        await office.desk.until(ticket_id, lambda state: state.status is TicketStatus.OPEN)

    async def test_two_who_answer_by_themselves_come_to_an_end(
        self, open_office: Office, smtp: Receiver
    ) -> None:
        office = open_office
        await office.receive(a_mail())
        (ticket_id,) = await office.until_tickets()
        await office.reply(ticket_id, AuthorKind.AI, "Try this.")
        await smtp.until(lambda: len(smtp.raw) == 1)
        (mail,) = smtp.mails
        assert mail["Auto-Submitted"] == "auto-replied"
        await office.receive(answer_to(mail, "I am away.", Auto_Submitted="auto-replied"))
        await office.until_read()
        events = [each.event for each in await office.desk.log(ticket_id) if each.event]
        assert EventType.AUTO_REPLIED in [each["type"] for each in events]
        await office.desk.until_handled(ticket_id)
        assert len(smtp.raw) == 1
        assert await office.all_tickets() == [ticket_id]

    async def test_a_mail_that_comes_back_is_told(
        self, open_office: Office, smtp: Receiver
    ) -> None:
        office = open_office
        await office.receive(a_mail())
        (ticket_id,) = await office.until_tickets()
        await office.reply(ticket_id, AuthorKind.AGENT, "Have you tried?")
        await office.until_delivery(ticket_id, 2, DeliveryState.SENT)
        name = str(smtp.mails[0]["Message-ID"])
        await office.receive(mails.FAILED.replace(mails.OURS.encode(), name.encode()))
        await office.until_delivery(ticket_id, 2, DeliveryState.FAILED)

    async def test_a_mail_that_is_refused_at_once_is_told(
        self, open_office: Office, smtp: Receiver
    ) -> None:
        smtp.on_rcpt = "550 5.1.1 No such user"
        office = open_office
        await office.receive(a_mail())
        (ticket_id,) = await office.until_tickets()
        await office.reply(ticket_id, AuthorKind.AGENT, "Have you tried?")
        await office.until_delivery(ticket_id, 2, DeliveryState.FAILED)


@dataclass
class Failing:
    """A taker that raises what it is given, before it takes."""

    taker: MailTaker
    errors: list[Exception]

    @property
    def mailbox(self) -> Mailbox:
        return self.taker.mailbox

    async def take(self, mail: Mail) -> Taken:
        if self.errors:
            raise self.errors.pop(0)
        return await self.taker.take(mail)


class Overtaken:
    """Takes a mail so slowly that another worker has the mailbox afterwards."""

    def __init__(self, taker: MailTaker, database: Database) -> None:
        self.mailbox = taker.mailbox
        self._taker = taker
        self._database = database

    async def take(self, mail: Mail) -> Taken:
        taken = await self._taker.take(mail)
        async with self._database.begin() as session:
            await session.execute(update(Lease).values(holder=uuid4()))
        return taken


class TestReading:
    async def test_a_new_mailbox_begins_with_what_is_unread(self, office: Office) -> None:
        await office.receive(a_mail("one", Subject="one"))
        await office.receive(a_mail("two", Subject="two"))
        async with office.reading():
            await office.until_read()
        assert len(await office.all_tickets()) == 2

    async def test_it_goes_on_where_it_was(self, office: Office) -> None:
        async with office.reading():
            await office.receive(a_mail("one"))
            (ticket_id,) = await office.until_tickets()
        await office.receive(a_mail("two"))
        async with office.reading():
            await office.until_log(ticket_id, 2)
        assert [each.content for each in await office.desk.log(ticket_id)] == ["one", "two"]

    async def test_several_readers_take_each_mail_once(self, office: Office) -> None:
        async with office.reading(readers=3):
            for number in range(5):
                await office.receive(a_mail(subject := f"mail {number}", Subject=subject))
            await office.until_tickets(5)
            await office.until_read()
        assert len(await office.all_tickets()) == 5

    async def test_who_is_overtaken_at_the_beginning_leaves_it_to_the_other(
        self, office: Office, engine: Engine
    ) -> None:
        for number in range(2):
            await office.receive(a_mail(subject := f"mail {number}", Subject=subject))
        taker = Overtaken(office.taker, office.database)
        reader = MailReader(office.database, engine, taker, office.server)  # type: ignore[arg-type]
        await reader.read_while_ours()
        assert len(await office.all_tickets()) == 1
        async with office.database.begin() as session:
            assert await mailboxes.place(session, reader.name) is None

    async def test_a_mailbox_made_anew_brings_nothing_twice(
        self, office: Office, imap: Dovecot
    ) -> None:
        await office.receive(a_mail("one"))
        async with office.reading():
            await office.until_read()
        await asyncio.sleep(1.1)  # Dovecot counts validities in seconds.
        await imap.make_anew(office.user)
        await office.receive(a_mail("two", Subject="two"))
        async with office.reading():
            await office.until_tickets(2)
        assert len(await office.all_tickets()) == 2

    async def test_what_is_no_mail_is_left_and_holds_nothing_up(self, office: Office) -> None:
        with capture_logs() as logs:
            async with office.reading():
                await office.receive(b"no mail at all\r\n")
                await office.receive(a_mail())
                await office.until_tickets()
                await office.until_read(but=1)
        assert [each["reason"] for each in logs if each["event"] == "mail_left_unread"] == [
            "no_sender"
        ]

    async def test_after_an_outage_it_takes_what_it_could_not(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outages = [exc.OperationalError("", {}, Exception()) for _ in range(2)]
        monkeypatch.setattr(office, "taker", Failing(office.taker, list(outages)))
        await office.receive(a_mail())
        async with office.reading():
            await office.until_tickets()
            await office.until_read()

    async def test_what_the_database_cannot_keep_is_left(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            office, "taker", Failing(office.taker, [exc.DataError("", {}, Exception())])
        )
        await office.receive(a_mail("odd", Subject="odd"))
        await office.receive(a_mail("good", Subject="good"))
        async with office.reading():
            (ticket_id,) = await office.until_tickets()
            await office.until_log(ticket_id, 1)
            await office.until_read(but=1)
        assert [each.content for each in await office.desk.log(ticket_id)] == ["good"]
