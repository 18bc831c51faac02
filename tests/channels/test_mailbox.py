"""A mailbox as Dovecot serves it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr

from channels.mail_servers import MailServer
from channels.mailbox import (
    MailboxAway,
    MailboxRefuses,
    TooLarge,
    open_mailbox,
)
from holdfast.ports import free_port
from tests.channels import dovecot
from tests.channels.dovecot import Dovecot

pytestmark = pytest.mark.skipif(dovecot.missing() is not None, reason=str(dovecot.missing()))


def mail(number: int) -> bytes:
    return f"From: ada@example.com\r\nSubject: {number}\r\n\r\nmail {number}\r\n".encode()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dovecot]:
    async with Dovecot(tmp_path_factory.mktemp("dovecot")) as running:
        yield running


@pytest.fixture
def user() -> str:
    """With an empty mailbox: Dovecot makes one for any name."""
    return f"u{uuid4().hex}"


async def test_password_that_cannot_be_spelled_is_refused(server: Dovecot, user: str) -> None:
    there = replace(MailServer.of(server.url(user)), password=SecretStr("pässword"))
    with pytest.raises(MailboxRefuses):
        async with open_mailbox(there):
            pass


async def test_mails_are_fetched_whole_and_stay_unread(server: Dovecot, user: str) -> None:
    await server.deliver(mail(1), user)
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        (uid,) = await box.uids_after(0)
        assert await box.fetch(uid) == mail(1)
        assert len(await server.unread(user)) == 1
        await box.mark_read(uid)
    assert await server.unread(user) == []
    assert len(await server.all(user)) == 1


async def test_only_what_came_after_is_listed(server: Dovecot, user: str) -> None:
    await server.deliver(mail(1), user)
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        assert await box.uids_after(box.last_uid) == []
        await server.deliver(mail(2), user)
        (uid,) = await box.uids_after(box.last_uid)
        assert await box.fetch(uid) == mail(2)


async def test_what_is_unread_is_listed_apart(server: Dovecot, user: str) -> None:
    await server.deliver(mail(1), user, flags=r"(\Seen)")
    await server.deliver(mail(2), user)
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        (uid,) = await box.unread(box.last_uid)
        assert await box.fetch(uid) == mail(2)


async def test_a_mail_that_is_gone_is_none(server: Dovecot, user: str) -> None:
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        assert await box.fetch(17) is None


async def test_waiting_ends_when_a_mail_comes(server: Dovecot, user: str) -> None:
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        waiting = asyncio.create_task(box.wait(60))
        await asyncio.sleep(0)
        begun = time.monotonic()
        await server.deliver(mail(1), user)
        await waiting
        assert time.monotonic() - begun < 10
        assert len(await box.uids_after(0)) == 1


async def test_waiting_can_be_called_off(server: Dovecot, user: str) -> None:
    async with asyncio.timeout(10):
        async with open_mailbox(MailServer.of(server.url(user))) as box:
            waiting = asyncio.create_task(box.wait(60))
            await asyncio.sleep(0.05)
            waiting.cancel()


async def test_waiting_ends_after_its_time(server: Dovecot, user: str) -> None:
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        await box.wait(0.1)


async def test_a_server_without_idle_is_asked_now_and_then(tmp_path: Path, user: str) -> None:
    async with (
        Dovecot(tmp_path, idle=False) as server,
        open_mailbox(MailServer.of(server.url(user))) as box,
    ):
        await server.deliver(mail(1), user)
        await box.wait(0.1)
        assert len(await box.uids_after(0)) == 1


async def test_a_mail_that_is_too_large_is_left(
    server: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.mailbox.MAX_MAIL", 10)
    await server.deliver(mail(1), user)
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        assert await box.fetch(1) == TooLarge(len(mail(1)))


async def test_a_folder_made_anew_has_another_validity(server: Dovecot, user: str) -> None:
    await server.deliver(mail(1), user)
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        before = box.uid_validity
    await asyncio.sleep(1.1)  # Dovecot counts validities in seconds.
    await server.make_anew(user)
    async with open_mailbox(MailServer.of(server.url(user))) as box:
        assert box.uid_validity != before


async def test_a_wrong_password_and_a_missing_folder_are_refused(
    server: Dovecot, user: str
) -> None:
    for url in (server.url(user).replace(":pw@", ":no@"), server.url(user, "Nowhere")):
        with pytest.raises(MailboxRefuses):
            async with open_mailbox(MailServer.of(url)):
                pass


async def test_a_server_that_is_not_there_is_away() -> None:
    with pytest.raises(MailboxAway):
        async with open_mailbox(MailServer.of(f"imap+none://a:b@127.0.0.1:{free_port()}/")):
            pass


async def test_a_server_that_hangs_up_is_away() -> None:
    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK Hello\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(MailboxAway):
        async with open_mailbox(MailServer.of(f"imap+none://a:b@127.0.0.1:{port}/")):
            pass
    server.close()


async def test_without_encryption_no_password_is_said(server: Dovecot, user: str) -> None:
    url = server.url(user).replace("imap+none", "imap")
    with pytest.raises((MailboxAway, MailboxRefuses)):
        async with open_mailbox(MailServer.of(url)):
            pass


async def test_a_server_that_says_nothing_is_away() -> None:
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(MailboxAway):
        async with open_mailbox(MailServer.of(f"imap+none://a:b@127.0.0.1:{port}/"), step=0.2):
            pass
    silent.close()
