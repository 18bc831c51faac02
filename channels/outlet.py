"""What every channel has to do for messages that go out.

The failures here are the only ones that an outlet may raise on purpose. Their sentences are for
agents and stand in plain text in Temporal: no word of a message is in them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from domain.deliveries import Limit as Limit
from domain.deliveries import Outgoing, Piece, pieces_of
from domain.errors import HoldfastError


class Undeliverable(HoldfastError):
    """It will never arrive, however often it is tried. `reason` is for programs."""

    code = "undeliverable"
    sentence = "The customer cannot be reached at this address."

    def __init__(self, reason: str, sentence: str | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason


class NotNow(HoldfastError):
    """The other side has not taken it. It is worth trying again, after `retry_after` where that
    is known."""

    code = "not_now"
    sentence = "The channel does not take messages just now."

    def __init__(self, sentence: str | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class Uncertain(HoldfastError):
    """It was sent, and nobody knows whether it was taken: a time-out, a connection that broke."""

    code = "uncertain"
    sentence = "The channel did not answer; it may have taken the message."


class Paused(HoldfastError):
    """The channel itself is at fault, not the message: a token that is refused, a blocked account.
    Nothing goes out by it until somebody has seen to it."""

    code = "paused"
    sentence = "The channel refuses us. Look at its token and its account."


class Outlet(Protocol):
    """One account on one outside platform."""

    @property
    def name(self) -> str:
        """Like `xmpp-support@example.org`; tickets and task queues name it."""

    @property
    def limits(self) -> Sequence[Limit]:
        """What the platform takes; none where it says nothing."""

    @property
    def looks(self) -> bool:
        """Whether `send` itself finds out what became of an earlier attempt, when
        `outgoing.first_tried_at` is set. Where it cannot, the platform's own news are waited for
        (`store.deliveries`), and nothing is sent twice."""

    def pieces(self, outgoing: Outgoing) -> Sequence[Piece]:
        """As what messages it goes out; always the same ones for the same message.

        Never empty. Raises Undeliverable.
        """

    def external_id(self, outgoing: Outgoing, piece: Piece) -> str | None:
        """What the platform will call the piece, where that is ours to say."""

    async def send(self, outgoing: Outgoing, piece: Piece) -> str | None:
        """Return when the platform has the piece, with what it calls it, where that is the
        platform's to say. Raises Undeliverable, NotNow, Uncertain and Paused."""


def cut(outgoing: Outgoing, longest: int) -> Sequence[Piece]:
    """As `pieces`, for platforms that take texts of at most `longest` characters and each file
    by itself. Raises Undeliverable for a message without either."""
    pieces = pieces_of(outgoing.content, outgoing.attachments, longest)
    if not pieces:
        raise Undeliverable("empty", "The message is empty.")
    return pieces
