"""What every channel has to do for messages that go out.

`Undeliverable` and `NotNow` are the only failures that an outlet may raise on purpose. Their
sentences are for agents and stand in plain text in Temporal: no word of a message is in them.
"""

from datetime import timedelta
from typing import Protocol

from domain.deliveries import Outgoing
from domain.errors import HoldfastError


class Undeliverable(HoldfastError):
    """It will never arrive, however often it is tried. `reason` is for programs."""

    code = "undeliverable"
    sentence = "The customer cannot be reached at this address."

    def __init__(self, reason: str, sentence: str | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason


class NotNow(HoldfastError):
    """It is worth trying again, after `retry_after` where that is known."""

    code = "not_now"
    sentence = "The channel does not take messages just now."

    def __init__(self, sentence: str | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class Outlet(Protocol):
    """One account on one outside platform."""

    @property
    def name(self) -> str:
        """Like `xmpp-support@example.org`; tickets and task queues name it."""

    def external_id(self, outgoing: Outgoing) -> str | None:
        """What the platform will call the message, where that is ours to say."""

    async def send(self, outgoing: Outgoing) -> None:
        """Return when the platform has the message. Raises Undeliverable and NotNow.

        `outgoing.first_tried_at` is set when it may have it already: then look before sending.
        """
