"""A mail server that takes what it is sent, or fails as it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"


@dataclass
class MailServer:
    """`on_mail`, `on_rcpt` and `on_data` are its answers where they are set; `breaks`: it closes
    the connection when it has a mail, and `hangs`: it says nothing then."""

    port: int = 0
    raw: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str | None, list[str]]] = field(default_factory=list)
    on_mail: str | None = None
    on_rcpt: str | None = None
    on_data: str | None = None
    breaks: bool = False
    hangs: bool = False
    logins: list[bytes] = field(default_factory=list)
    password: bytes = b"secret"

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(each, policy=policy.default) for each in self.raw]

    def words(self, number: int = -1) -> str:
        """The plain text of a mail."""
        body = self.mails[number].get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    async def until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not fact():
                await asyncio.sleep(0.01)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.on_mail or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.on_rcpt or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.hangs:
            await asyncio.sleep(60)
        if self.breaks:
            assert server.transport is not None
            server.transport.close()
        content = envelope.content
        if self.on_data is None and isinstance(content, bytes):
            self.raw.append(content)
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return self.on_data or "250 OK"

    def login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        return AuthResult(success=data.password == self.password, handled=False)


@asynccontextmanager
async def mail_server(*, login: bool = False) -> AsyncIterator[MailServer]:
    catcher = MailServer()
    make = partial(
        SMTP,
        catcher,
        authenticator=catcher.login,
        auth_required=login,
        auth_require_tls=False,
        hostname="mx.test",
        loop=asyncio.get_running_loop(),
    )
    server = await asyncio.get_running_loop().create_server(make, HOST, 0)
    catcher.port = server.sockets[0].getsockname()[1]
    try:
        yield catcher
    finally:
        server.close()
