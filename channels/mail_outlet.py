"""E-mail that goes out, by one SMTP server."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import aiosmtplib
from aiosmtplib import SMTP

from channels.files import FileSource
from channels.mail_servers import Encryption, MailServer
from channels.mail_writing import Correspondent, mail_of, wire_address
from channels.outgoing_files import is_elsewhere, opened
from channels.outlet import Limit, NotNow, Paused, Uncertain, Undeliverable
from domain.deliveries import Outgoing, Piece
from domain.mail import MailFile, message_id_of, outlet_name

_STEP = 20.0
"""Seconds that the server has for one answer."""
_WHOLE = 90.0
"""Seconds for all of it."""
_MOST_BYTES = 25 * 1024 * 1024
_REFUSES_ALL = (
    aiosmtplib.SMTPConnectResponseError,
    aiosmtplib.SMTPHeloError,
    aiosmtplib.SMTPSenderRefused,
)
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class MailOutlet:
    """Sends each message as one mail, its files within it."""

    looks = False

    def __init__(
        self,
        sender: Correspondent,
        server: MailServer,
        files: FileSource,
        limits: Sequence[Limit] = (Limit(10, timedelta(seconds=1)),),
    ) -> None:
        self.name = outlet_name(sender.address)
        self.limits = limits
        self._sender = sender
        self._server = server
        self._files = files

    def pieces(self, outgoing: Outgoing) -> Sequence[Piece]:
        return [Piece(0, outgoing.content, tuple(outgoing.attachments))]

    def external_id(self, outgoing: Outgoing, piece: Piece) -> str:
        return message_id_of(outgoing.message_id, piece.number, self._sender.domain)

    async def send(self, outgoing: Outgoing, piece: Piece) -> None:
        files = [file async for file in self._opened(piece)]
        message_id = self.external_id(outgoing, piece)
        mail = await asyncio.to_thread(mail_of, outgoing, piece, message_id, self._sender, files)
        to = wire_address(outgoing.address)
        asked = False
        try:
            async with asyncio.timeout(_WHOLE), self._connected() as smtp:
                await smtp.mail(wire_address(self._sender.address))
                await smtp.rcpt(to)
                asked = True
                await smtp.data(mail)
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            # A time-out is an OSError too.
            if asked:
                raise Uncertain from None
            raise NotNow(_unreachable(error)) from None

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[SMTP]:
        server = self._server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password.get_secret_value() if server.password else None,
            local_hostname=self._sender.domain,
            timeout=_STEP,
            use_tls=server.encryption is Encryption.TLS,
            start_tls=server.encryption is Encryption.STARTTLS,
        )
        await smtp.connect()
        try:
            yield smtp
            with suppress(aiosmtplib.SMTPException, OSError):
                await smtp.quit(timeout=1)
        finally:
            smtp.close()

    async def _opened(self, piece: Piece) -> AsyncIterator[MailFile]:
        left = _MOST_BYTES
        for each in piece.files:
            if is_elsewhere(each):
                continue
            file = await opened(self._files, each)
            left -= file.size
            if left < 0:
                raise Undeliverable("too_large", "Files of a mail can have 25 MB together.")
            content = b"".join([chunk async for chunk in file.chunks])
            yield MailFile(file.name, file.content_type, content)


def _refused(error: aiosmtplib.SMTPResponseException) -> Exception:
    """What a refusal means. The server's own words may quote whom we write to, and stay away."""
    if error.code < 500:
        return NotNow(f"The mail server does not take it just now: {_codes(error)}.")
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return Paused(f"The mail server refuses our password: {_codes(error)}.")
    if isinstance(error, _REFUSES_ALL):
        return Paused(f"The mail server lets us send nothing: {_codes(error)}.")
    if isinstance(error, aiosmtplib.SMTPRecipientRefused):
        return Undeliverable(
            "refused", f"The mail server takes no mail for this address: {_codes(error)}."
        )
    return Undeliverable("refused", f"The mail server has refused the mail: {_codes(error)}.")


def _codes(error: aiosmtplib.SMTPResponseException) -> str:
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)


def _unreachable(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or "STARTTLS" in str(error):
        return "The mail server offers no encryption that we can trust."
    return "The mail server is not reachable."
