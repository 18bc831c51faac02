"""One folder of a mailbox, read by IMAP (RFC 3501). Nothing in it is moved or deleted.

The library blocks, so each connection has a thread of its own. Its mails are fetched as bytes: what
is in them is the business of `channels.mail`, which is bounded.
"""

import asyncio
import imaplib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from imap_tools.errors import ImapToolsError, MailboxLoginError
from imap_tools.mailbox import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted

from channels.mail import MAX_MAIL
from channels.mail_servers import Encryption, MailServer
from domain.errors import HoldfastError

_STEP = 20.0
"""Seconds that the server has for each answer, a whole mail included."""
_UNREAD_SINCE = timedelta(days=2)
"""What has been unread for longer when a mailbox is read for the first time stays where it is:
nobody wants a ticket for each newsletter of last year."""
_NUMBER = re.compile(rb"(\d+)")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")

Result = TypeVar("Result")


class MailboxAway(HoldfastError):
    """Not reachable, or it did not answer in time."""

    code = "mailbox_away"
    sentence = "The mailbox is not reachable."


class MailboxRefuses(HoldfastError):
    """A wrong password, a folder that is not there."""

    code = "mailbox_refuses"
    sentence = "The mailbox does not let us in. Look at IMAP_URL."


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A mail that was left where it is."""

    size: int


class OpenMailbox:
    """A folder that is selected. Every method raises MailboxAway."""

    def __init__(self, box: BaseMailBox, thread: ThreadPoolExecutor, step: float) -> None:
        """In that thread."""
        self._box = box
        self._thread = thread
        self._step = step
        self.uid_validity = self._status("UIDVALIDITY")
        self.last_uid = self._status("UIDNEXT") - 1
        """When it was selected; no mail need have it."""

    async def uids_after(self, uid: int) -> list[int]:
        """Those of all mails that came after the one with this UID."""
        # Some servers tell of what has come only when they are asked for nothing.
        await self._do(self._box.client.noop)
        found = await self._do(lambda: self._box.uids(f"UID {uid + 1}:*"))
        # The newest is always among them, however old it is (RFC 3501, 6.4.8).
        return sorted(each for each in map(int, found) if each > uid)

    async def unread(self, up_to: int) -> list[int]:
        """UIDs of what nobody has read, of the last days."""
        since = (datetime.now(UTC) - _UNREAD_SINCE).strftime("%d-%b-%Y")
        found = await self._do(lambda: self._box.uids(f"UNSEEN SINCE {since}"))
        return sorted(each for each in map(int, found) if each <= up_to)

    async def fetch(self, uid: int) -> bytes | TooLarge | None:
        """A whole mail; it stays unread. None when it is gone."""
        return await self._do(lambda: self._fetch(uid))

    async def mark_read(self, uid: int) -> None:
        await self._do(lambda: self._box.client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)"))

    async def wait(self, seconds: float) -> None:
        """Return when something has come, or after that time."""
        if "IDLE" in self._box.client.capabilities:
            await self._do(lambda: self._box.idle.wait(timeout=seconds), seconds)
        else:
            await asyncio.sleep(seconds)
            await self._do(self._box.client.noop)

    def _fetch(self, uid: int) -> bytes | TooLarge | None:
        size = self._ask(uid, "(RFC822.SIZE)")
        found = _SIZE.search(size) if size else None
        if found and int(found[1]) > MAX_MAIL:
            return TooLarge(int(found[1]))
        return self._ask(uid, "(BODY.PEEK[])")

    def _ask(self, uid: int, what: str) -> bytes | None:
        _, answers = self._box.client.uid("FETCH", str(uid), what)
        for each in answers:
            if isinstance(each, tuple):
                return bytes(each[1])
        first = answers[0] if answers else None
        return first if isinstance(first, bytes) else None

    def _status(self, name: str) -> int:
        _, answers = self._box.client.response(name)
        found = _NUMBER.search(answers[-1] or b"") if answers else None
        if found is None:
            raise MailboxRefuses(f"The IMAP server tells no {name}.")
        return int(found[1])

    async def _do(self, work: Callable[[], Result], longer: float = 0) -> Result:
        with _translated():
            return await _in(self._thread, work, 3 * self._step + longer)


@asynccontextmanager
async def open_mailbox(server: MailServer, step: float = _STEP) -> AsyncIterator[OpenMailbox]:
    """`step`: seconds that the server has for each answer. Raises MailboxAway and
    MailboxRefuses."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="mailbox")
    box: BaseMailBox | None = None
    try:
        with _translated():
            box = await _in(thread, lambda: _connect(server, step), 3 * step)
            opened = await _in(thread, lambda: _select(box, server, thread, step), 3 * step)
        yield opened
    finally:
        if box is not None:
            # Wakes the thread, wherever it waits.
            with suppress(OSError):
                box.client.sock.shutdown(socket.SHUT_RDWR)
            thread.submit(_close, box)
        thread.shutdown(wait=False)


def _connect(server: MailServer, step: float) -> BaseMailBox:
    match server.encryption:
        case Encryption.TLS:
            # Without a context of ours, Python 3.11 checks no certificate.
            context = ssl.create_default_context()
            return MailBox(server.host, server.port, step, ssl_context=context)
        case Encryption.STARTTLS:
            context = ssl.create_default_context()
            return MailBoxStartTls(server.host, server.port, step, ssl_context=context)
        case Encryption.NONE:
            return MailBoxUnencrypted(server.host, server.port, step)


def _select(
    box: BaseMailBox, server: MailServer, thread: ThreadPoolExecutor, step: float
) -> OpenMailbox:
    password = server.password.get_secret_value() if server.password else ""
    box.login(server.user or "", password, initial_folder=server.folder or "INBOX")
    return OpenMailbox(box, thread, step)


def _close(box: BaseMailBox) -> None:
    with suppress(OSError, imaplib.IMAP4.error):
        box.client.shutdown()


async def _in(thread: ThreadPoolExecutor, work: Callable[[], Result], within: float) -> Result:
    async with asyncio.timeout(within):
        return await asyncio.get_running_loop().run_in_executor(thread, work)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except MailboxLoginError:
        raise MailboxRefuses from None
    except (ImapToolsError, UnicodeError) as error:
        # IMAP's own login takes ASCII only.
        raise MailboxRefuses(f"The mailbox cannot be read: {type(error).__name__}.") from None
    except ssl.SSLError:
        raise MailboxAway("The mail server offers no encryption that we can trust.") from None
    except (OSError, imaplib.IMAP4.abort):
        raise MailboxAway from None
    except imaplib.IMAP4.error:
        raise MailboxRefuses("The IMAP server does not understand us.") from None
