"""What an account hears, of whatever kind, given to whoever it concerns."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

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

_OWN_FAULTS = frozenset({"21", "22", "23", "54"})
"""Classes of SQLSTATE that tell of what was to be written: too many rows, data that is none,
broken rules, and limits exceeded (PostgreSQL, appendix A)."""
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
        take = partial(self._take, stream, said)
        await _stepping_over("message_not_taken", said.stanza_id, take)

    async def note(self, news: Received | Displayed | Bounced | Typing | Seen) -> None:
        """Take what is told besides words. Safe to do twice."""
        take = partial(self._news.take, news)
        await _stepping_over("news_not_taken", type(news).__name__, take)

    def disconnected(self) -> None:
        """Nothing more comes from this stream."""
        self._news.disconnected()

    async def missing(self, said: Sequence[Said]) -> set[str]:
        return await self._inbound.missing([each.stanza_id for each in said if each.stanza_id])

    async def _take(self, stream: Stream | Component, said: Said) -> None:
        outcome = await self._inbound.take(said)
        if isinstance(outcome, Refusal):
            await self._refuse(stream, said, outcome)
        else:
            # Who sends it again has not got the first receipt.
            stream.acknowledge(said)

    async def _refuse(self, stream: Stream | Component, said: Said, refusal: Refusal) -> None:
        log.info("message_refused", reason=refusal)
        answer = _ANSWERS.get(refusal)
        if answer and await self._inbound.first_refusal(said, refusal):
            stream.tell(said.from_jid, answer)


async def _stepping_over(event: str, what: str | None, take: Callable[[], Awaitable[None]]) -> None:
    """Leave out what fails for its own sake: it would be met again and again, and hold up all
    others for ever. Logged without the error's text, in which PostgreSQL quotes the whole row."""
    try:
        await _once_more_if_it_clashes(take)
    except (IdempotencyKeyReused, exc.DBAPIError) as error:
        if not _is_its_own_fault(error):
            raise
        reason, code = type(error).__name__, _sqlstate(error)
        log.error(event, stanza=what, reason=reason, code=code)  # noqa: TRY400


async def _once_more_if_it_clashes(take: Callable[[], Awaitable[None]]) -> None:
    """What clashed with a row that somebody else was just writing, or deleting, may fit now."""
    try:
        await take()
    except exc.IntegrityError:
        await take()


def _is_its_own_fault(error: Exception) -> bool:
    """Whether the stanza is to blame. If it is not sure to be, the database is: a stanza that waits
    in vain is seen, one that was left out is not."""
    return isinstance(error, IdempotencyKeyReused) or (_sqlstate(error) or "")[:2] in _OWN_FAULTS


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)
