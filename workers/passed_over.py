"""Conversations whose workflows did not answer: others come first for a while."""

from uuid import UUID


class PassedOver:
    """For so many seconds since the last time, and only the newest `most` of them.

    Times are those of one steady clock, in seconds.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._since: dict[UUID, float] = {}

    def add(self, conversation_id: UUID, now: float) -> None:
        self._since.pop(conversation_id, None)
        self._since[conversation_id] = now
        if len(self._since) > self._most:
            del self._since[next(iter(self._since))]

    def at(self, now: float) -> list[UUID]:
        """Those who are passed over now."""
        self._since = {
            each: since for each, since in self._since.items() if now < since + self._seconds
        }
        return list(self._since)
