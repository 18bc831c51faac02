"""How many uploads there may be at once: each holds back some of its bytes."""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import FilesUnavailable, TooManyRequests

_AT_ONCE = 32
"""Uploads in one process: each holds back up to 10 MB while the bucket is slow."""
_OF_CUSTOMERS_AT_ONCE = 24
"""Anybody can become a visitor, and be slow: there is room for the desk all the same."""
_OF_ONE_AT_ONCE = 4


class UploadTurns:
    """The uploads in one process."""

    def __init__(self) -> None:
        self._running: list[str] = []
        self._by_customers = 0

    @contextmanager
    def take(self, caller: str, *, by_customer: bool = False) -> Iterator[None]:
        """Raises TooManyRequests and FilesUnavailable."""
        if self._running.count(caller) >= _OF_ONE_AT_ONCE:
            raise TooManyRequests(1, "Too many uploads at once. Wait for one to end.")
        if len(self._running) >= _AT_ONCE or (
            by_customer and self._by_customers >= _OF_CUSTOMERS_AT_ONCE
        ):
            raise FilesUnavailable
        self._running.append(caller)
        self._by_customers += by_customer
        try:
            yield
        finally:
            self._running.remove(caller)
            self._by_customers -= by_customer
