"""From a TCP connection to a stream that can be used, or the reason why not."""

import asyncio
import ssl
from asyncio import Future
from typing import Any

from slixmpp.basexmpp import BaseXMPP

from bridge.account import Account, ComponentAccount
from bridge.errors import LoginRefused, ServerUnreachable, StreamConflict, StreamError, StreamLost

_TEMPORARY = "temporary-auth-failure"


class Login:
    """Listens to what slixmpp tells while it logs in. One for one attempt."""

    def __init__(self, client: BaseXMPP, account: Account | ComponentAccount) -> None:
        self._client = client
        self._account = account
        self._done: Future[None] = asyncio.get_running_loop().create_future()
        self._refusal: str | None = None
        done = "session_start" if client.is_component else "stream_negotiated"
        client.add_event_handler(done, self._negotiated)
        client.add_event_handler("connection_failed", self._not_connected)
        client.add_event_handler("ssl_invalid_chain", self._not_connected)
        client.add_event_handler("failed_auth", self._failed)
        client.add_event_handler("failed_all_auth", self._refused)
        client.add_event_handler("session_bind", self._bound)

    async def complete(self, lost: Future[StreamLost], patience: float) -> None:
        """Connect, and return when the stream can be used.

        Raises LoginRefused, StreamConflict, and ServerUnreachable, after `patience` seconds too.
        """
        self._client.connect(self._account.host, self._account.port)
        ends: set[Future[Any]] = {self._done, lost}
        await asyncio.wait(ends, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if self._done.done():
            self._done.result()
        elif lost.done():
            raise self._why_ended(lost.result())
        else:
            self._done.cancel()
            raise ServerUnreachable(
                f"{self._where} has not let us in within {patience:g} seconds. "
                "Check XMPP_HOST, XMPP_PORT and XMPP_TLS."
            )

    @property
    def _where(self) -> str:
        return f"The XMPP server at {self._account.host}:{self._account.port}"

    def _negotiated(self, _event: Any) -> None:  # noqa: ANN401
        if not self._client.is_component and not self._client.session_bind_event.is_set():
            self._fail(ServerUnreachable(f"{self._where} wants encryption. Set XMPP_TLS=starttls."))
        elif not self._done.done():
            self._done.set_result(None)

    def _not_connected(self, reason: Any) -> None:  # noqa: ANN401  an error or a text
        if isinstance(reason, ssl.SSLCertVerificationError):
            sentence = (
                f"{self._where} has a certificate that is not trusted for "
                f"{self._account.domain}: {reason.verify_message} Set XMPP_CA_FILE if it is one "
                "of your own."
            )
        elif isinstance(reason, ssl.SSLError):
            sentence = f"{self._where} does not speak TLS with us: {reason.reason}. Check XMPP_TLS."
        else:
            sentence = f"{self._where} cannot be reached: {reason}. Check XMPP_HOST and XMPP_PORT."
        self._fail(ServerUnreachable(sentence))

    def _failed(self, failure: Any) -> None:  # noqa: ANN401
        self._refusal = str(failure["condition"])

    def _refused(self, _event: Any) -> None:  # noqa: ANN401
        who = self._account.bare_jid
        if self._refusal is None:
            sentence = f"{self._where} offers no login that keeps the password safe."
            self._fail(ServerUnreachable(f"{sentence} Let it offer TLS, and check XMPP_TLS."))
        elif self._refusal == _TEMPORARY:
            self._fail(ServerUnreachable(f"{self._where} cannot check passwords just now."))
        else:
            self._fail(
                LoginRefused(
                    f"The XMPP server refuses the login of {who} ({self._refusal}). "
                    "Check XMPP_USERNAME, XMPP_SERVER and XMPP_PASSWORD."
                )
            )

    def _bound(self, jid: Any) -> None:  # noqa: ANN401
        # What slixmpp makes of a refusal to bind.
        if not jid.bare:
            self._fail(StreamConflict())

    def _why_ended(self, reason: StreamLost) -> StreamError:
        if isinstance(reason, StreamConflict):
            return StreamConflict(str(reason))
        if "not-authorized" in str(reason):
            return LoginRefused(
                f"The XMPP server refuses the secret of the component {self._account.domain}. "
                "Check XMPP_SERVER and XMPP_PASSWORD."
            )
        return ServerUnreachable(f"{self._where} does not let us in. {reason}")

    def _fail(self, error: StreamError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
