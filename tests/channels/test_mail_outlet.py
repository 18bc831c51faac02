"""Replies by e-mail, to a real SMTP server of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import mail_outlet
from channels.files import FileMissing, OpenedFile
from channels.mail import read_mail
from channels.mail_outlet import MailOutlet
from channels.mail_servers import Encryption, MailServer
from channels.mail_writing import Correspondent, mail_of
from channels.outlet import NotNow, Paused, Uncertain, Undeliverable
from domain.deliveries import Outgoing
from domain.mail import Mail, MailFile, our_message
from domain.models import AuthorKind
from holdfast.ports import free_port
from tests.channels import smtp_server
from tests.channels.smtp_server import HOST, mail_server

SENDER = Correspondent("Support@holdfast.example", "Holdfast Support")
MESSAGE_ID = UUID("0123456789abcdef0123456789abcdef")
FILE = {"id": "att_1", "name": "plan.pdf", "content_type": "application/pdf", "size": 6}
OUTGOING = Outgoing(
    thread_id=uuid4(),
    seq=2,
    message_id=MESSAGE_ID,
    outlet="email-support@holdfast.example",
    address="ada@example.com",
    author=AuthorKind.AGENT,
    author_name="Grace Hopper",
    content="Have you tried to turn it off\nand on again? Grüße!",
    attempts=1,
    waits_since=datetime(2026, 3, 2, 9, tzinfo=UTC),
    ticket_number=12,
    subject="Re: Help",
    in_reply_to="<first@example.com>",
)


class Files:
    """One PDF, under any id that is known."""

    async def open(self, attachment_id: str) -> OpenedFile:
        if attachment_id != FILE["id"]:
            raise FileMissing
        return OpenedFile("plan.pdf", "application/pdf", 6, _chunks())


async def _chunks() -> AsyncIterator[bytes]:
    for chunk in (b"%PDF", b"-1"):
        yield chunk


@pytest.fixture
async def server() -> AsyncIterator[smtp_server.MailServer]:
    async with mail_server() as running:
        yield running


def outlet_to(port: int, *, password: str = "") -> MailOutlet:
    login = f"ada:{password}@" if password else ""
    return MailOutlet(SENDER, MailServer.of(f"smtp+none://{login}{HOST}:{port}"), Files())


async def send(outlet: MailOutlet, outgoing: Outgoing = OUTGOING) -> None:
    (piece,) = outlet.pieces(outgoing)
    await outlet.send(outgoing, piece)


class TestWhatGoesOut:
    async def test_a_reply_is_a_mail_that_programs_can_thread(
        self, server: smtp_server.MailServer
    ) -> None:
        outlet = outlet_to(server.port)
        await send(outlet)
        (mail,) = server.mails
        assert server.envelopes == [("Support@holdfast.example", ["ada@example.com"])]
        assert mail["From"] == "Holdfast Support <Support@holdfast.example>"
        assert mail["To"] == "ada@example.com"
        assert mail["Subject"] == "Re: Help [#12]"
        assert mail["In-Reply-To"] == mail["References"] == "<first@example.com>"
        assert mail["Message-ID"] == f"<msg.{MESSAGE_ID.hex}.0@holdfast.example>"
        assert mail["Message-ID"] == outlet.external_id(OUTGOING, outlet.pieces(OUTGOING)[0])
        assert our_message(mail["Message-ID"]) == MESSAGE_ID
        assert mail["Date"] == "Mon, 02 Mar 2026 09:00:00 +0000"
        assert mail["Auto-Submitted"] is None
        assert server.words() == (
            "Have you tried to turn it off\nand on again? Grüße!\n\n-- \nGrace Hopper\n"
        )

    async def test_the_assistant_says_that_nobody_wrote_it(
        self, server: smtp_server.MailServer
    ) -> None:
        await send(outlet_to(server.port), replace(OUTGOING, author=AuthorKind.AI))
        assert server.mails[0]["Auto-Submitted"] == "auto-replied"

    async def test_files_go_in_the_same_mail_and_others_as_links(
        self, server: smtp_server.MailServer
    ) -> None:
        link = {"url": "https://example.com/log.txt", "name": "log.txt"}
        await send(outlet_to(server.port), replace(OUTGOING, attachments=[FILE, link]))
        (mail,) = server.mails
        (file,) = mail.iter_attachments()
        assert (file.get_filename(), file.get_content_type()) == ("plan.pdf", "application/pdf")
        assert file.get_content() == b"%PDF-1"
        assert "log.txt: https://example.com/log.txt" in server.words()

    async def test_a_long_message_id_is_answered_unbroken(
        self, server: smtp_server.MailServer
    ) -> None:
        long = f"<{'a' * 300}@{'b' * 150}.example>"
        await send(outlet_to(server.port), replace(OUTGOING, in_reply_to=long))
        assert f"In-Reply-To: {long}\r\n".encode() in server.raw[0]

    async def test_an_address_with_letters_of_the_world_is_written_in_ascii(
        self, server: smtp_server.MailServer
    ) -> None:
        await send(outlet_to(server.port), replace(OUTGOING, address="ada@müller.example"))
        assert server.envelopes[0][1] == ["ada@xn--mller-kva.example"]

    async def test_lines_with_single_dots_arrive(self, server: smtp_server.MailServer) -> None:
        await send(outlet_to(server.port), replace(OUTGOING, content="a\n.\nb", author_name=None))
        assert server.words() == "a\n.\nb\n"

    async def test_what_we_write_we_can_read(self, server: smtp_server.MailServer) -> None:
        await send(outlet_to(server.port), replace(OUTGOING, attachments=[FILE]))
        mail = read_mail(server.raw[0])
        assert isinstance(mail, Mail)
        assert mail.files == (MailFile("plan.pdf", "application/pdf", b"%PDF-1"),)


class TestWhatGoesWrong:
    @pytest.mark.parametrize("answer", ["451 4.3.0 Later", "421 4.3.2 Closing"])
    async def test_a_server_that_is_busy_is_asked_again(
        self, server: smtp_server.MailServer, answer: str
    ) -> None:
        server.on_data = answer
        with pytest.raises(NotNow, match=answer[:9]):
            await send(outlet_to(server.port))

    async def test_an_address_that_is_refused_is_undeliverable(
        self, server: smtp_server.MailServer
    ) -> None:
        server.on_rcpt = "550 5.1.1 <ada@example.com>: no such user"
        with pytest.raises(Undeliverable) as caught:
            await send(outlet_to(server.port))
        assert str(caught.value) == "The mail server takes no mail for this address: 550 5.1.1."

    async def test_a_mail_that_is_refused_is_undeliverable(
        self, server: smtp_server.MailServer
    ) -> None:
        server.on_data = "554 5.7.1 Spam"
        with pytest.raises(Undeliverable, match=r"554 5\.7\.1"):
            await send(outlet_to(server.port))

    async def test_a_sender_that_is_refused_pauses_the_outlet(
        self, server: smtp_server.MailServer
    ) -> None:
        server.on_mail = "550 5.7.1 Not yours"
        with pytest.raises(Paused, match=r"550 5\.7\.1"):
            await send(outlet_to(server.port))

    async def test_a_server_that_wants_nothing_of_us_pauses_the_outlet(self) -> None:
        async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"554 5.7.1 No service for you\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(refuse, HOST, port := free_port()):
            with pytest.raises(Paused, match=r"554 5\.7\.1"):
                await send(outlet_to(port))

    @pytest.mark.filterwarnings("ignore:Requiring AUTH")
    async def test_a_password_that_is_refused_pauses_the_outlet(self) -> None:
        async with mail_server(login=True) as server:
            with pytest.raises(Paused, match="password"):
                await send(outlet_to(server.port, password="wrong"))
            await send(outlet_to(server.port, password="secret"))
            assert len(server.raw) == 1

    @pytest.mark.filterwarnings("ignore:Requiring AUTH")
    async def test_a_server_that_wants_a_password_pauses_the_outlet_without(self) -> None:
        async with mail_server(login=True) as server:
            with pytest.raises(Paused):
                await send(outlet_to(server.port))

    async def test_no_server_means_not_now(self) -> None:
        with pytest.raises(NotNow, match="not reachable"):
            await send(outlet_to(free_port()))

    async def test_a_server_without_encryption_gets_nothing(
        self, server: smtp_server.MailServer
    ) -> None:
        asked = MailServer.of(f"smtp://ada:secret@{HOST}:{server.port}")
        with pytest.raises(NotNow, match="encryption"):
            await send(MailOutlet(SENDER, asked, Files()))
        assert (server.logins, server.raw) == ([], [])

    async def test_a_connection_that_breaks_after_the_mail_is_uncertain(
        self, server: smtp_server.MailServer
    ) -> None:
        server.breaks = True
        with pytest.raises(Uncertain):
            await send(outlet_to(server.port))
        assert len(server.raw) == 1

    async def test_a_server_that_says_nothing_after_the_mail_is_uncertain(
        self, server: smtp_server.MailServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mail_outlet, "_STEP", 0.2)
        server.hangs = True
        with pytest.raises(Uncertain):
            await send(outlet_to(server.port))

    async def test_a_missing_file_is_undeliverable(self, server: smtp_server.MailServer) -> None:
        gone = {"id": "att_2", "name": "gone.pdf"}
        with pytest.raises(Undeliverable):
            await send(outlet_to(server.port), replace(OUTGOING, attachments=[gone]))
        assert server.raw == []

    @pytest.mark.parametrize(
        "address", ["ada", "@example.com", "a b@example.com", "a@b\r\nRCPT TO:<eve@x>", "ä@x.org"]
    )
    async def test_an_address_that_is_none_is_undeliverable(
        self, server: smtp_server.MailServer, address: str
    ) -> None:
        with pytest.raises(Undeliverable):
            await send(outlet_to(server.port), replace(OUTGOING, address=address))
        assert server.envelopes == []


@given(
    subject=st.text(max_size=80) | st.just("a\r\nBcc: eve@example.com"),
    name=st.text(max_size=80) | st.just("x\nBcc: eve@example.com"),
    file=st.text(max_size=80) | st.just('"\r\n\r\nBcc: eve@example.com'),
    answered=st.text(max_size=40) | st.just("<a@b>\r\nBcc: eve@example.com"),
)
def test_nothing_that_people_write_becomes_a_header(
    subject: str, name: str, file: str, answered: str
) -> None:
    outgoing = replace(OUTGOING, subject=subject, in_reply_to=answered, author_name=name)
    (piece,) = outlet_to(1).pieces(outgoing)
    files = [MailFile(file, "text/plain", b"x")]
    raw = mail_of(outgoing, piece, "<msg@x>", Correspondent("s@x.org", name), files)
    head = raw.partition(b"\r\n\r\n")[0]
    names = [
        line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))
    ]
    assert set(names) <= {
        *(b"Message-ID", b"In-Reply-To", b"References", b"From", b"To", b"Subject", b"Date"),
        *(b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"),
    }
    mail = read_mail(raw)
    assert isinstance(mail, Mail)
    assert mail.address == "s@x.org"


def test_servers_are_named_by_addresses() -> None:
    server = MailServer.of("imaps://ada%40x.org:p%2Fw@mail.example.org/Support%20in")
    assert (server.host, server.port, server.encryption) == (
        "mail.example.org",
        993,
        Encryption.TLS,
    )
    assert server.password is not None
    assert (server.user, server.password.get_secret_value()) == ("ada@x.org", "p/w")
    assert server.folder == "Support in"
    assert "p/w" not in repr(server)
