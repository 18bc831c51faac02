"""What an account hears, of whatever kind, given to whoever it concerns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import exc

from bridge.component import Component
from bridge.inbound import Inbound
from bridge.news import News
from bridge.policy import Refusal
from bridge.stanzas import (
    Bounced,
    Displayed,
    Ignored,
    Incoming,
    Missed,
    Received,
    Said,
    Seen,
    Typing,
)
from bridge.stream import Stream
from domain.errors import IdempotencyKeyReused

log = structlog.get_logger(__name__)

_PASSING = frozenset({"08", "25", "40", "42", "53", "55", "57", "58", "XX"})
_ANSWERS = {
    Refusal.ENCRYPTED: "Sorry, we cannot read encrypted messages. Please write without encryption.",
    Refusal.TOO_LONG: "Sorry, this message is too long for us. Please send it as a file.",
}


class Listener:
    """Handles the stanzas of one account, one after the other."""

    def __init__(self, inbound: Inbound, news: News) -> None:
        self._inbound = inbound
        self._news = news

    async def hear(self, stream: Stream | Component, stanza: Incoming) -> bool:
        """Handle what has just come in. False for what only the archive can tell: something was
        left out, or the server has not said what it calls a message."""
        match stanza:
            case Missed():
                return False
            case Said(stanza_id=None) if stream.has_archive:
                return False
            case Said():
                await self.say(stream, stanza)
            case Ignored(reason=reason):
                log.debug("stanza_ignored", reason=reason)
            case Received() | Displayed() | Bounced() | Typing() | Seen():
                await self.note(stanza)
        return True

    async def say(self, stream: Stream | Component, said: Said) -> None:
        """Take a message, and tell its sender that we have it. Safe to do twice."""
        with _stepping_over("message_not_taken", said.stanza_id):
            outcome = await self._inbound.take(said)
            if isinstance(outcome, Refusal):
                await self._refuse(stream, said, outcome)
            else:
                # Who sends it again has not got the first receipt.
                stream.acknowledge(said)

    async def note(self, news: Received | Displayed | Bounced | Typing | Seen) -> None:
        """Take what is told besides words. Safe to do twice."""
        with _stepping_over("news_not_taken", type(news).__name__):
            await self._news.take(news)

    def disconnected(self) -> None:
        """Nothing more comes from this stream."""
        self._news.disconnected()

    async def missing(self, said: Sequence[Said]) -> set[str]:
        return await self._inbound.missing([each.stanza_id for each in said if each.stanza_id])

    async def _refuse(self, stream: Stream | Component, said: Said, refusal: Refusal) -> None:
        log.info("message_refused", reason=refusal)
        answer = _ANSWERS.get(refusal)
        if answer and await self._inbound.first_refusal(said, refusal):
            stream.tell(said.from_jid, answer)


@contextmanager
def _stepping_over(event: str, what: str | None) -> Iterator[None]:
    """Leave out what fails for its own sake: it would be met again and again, and hold up all
    others for ever. Logged without the error's text, in which PostgreSQL quotes the whole row."""
    try:
        yield
    except (IdempotencyKeyReused, exc.DBAPIError) as error:
        if _is_outage(error):
            raise
        reason, code = type(error).__name__, _sqlstate(error)
        log.error(event, stanza=what, reason=reason, code=code)  # noqa: TRY400


def _is_outage(error: Exception) -> bool:
    """Whether it is the database's trouble, and not the stanza's: lost connections have no code,
    and of those that have one, these classes pass by themselves (PostgreSQL, appendix A)."""
    if not isinstance(error, exc.DBAPIError):
        return False
    code = _sqlstate(error)
    return code is None or code[:2] in _PASSING


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)
