"""How many uploads there may be at once: each holds back some of its bytes."""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import FilesUnavailable, TooManyRequests

_AT_ONCE = 32
"""Uploads in one process: each holds back up to 10 MB while the bucket is slow."""
_OF_ONE_AT_ONCE = 4


class UploadTurns:
    """The uploads in one process."""

    def __init__(self) -> None:
        self._running: list[str] = []

    @contextmanager
    def take(self, caller: str) -> Iterator[None]:
        """Raises TooManyRequests and FilesUnavailable."""
        if self._running.count(caller) >= _OF_ONE_AT_ONCE:
            raise TooManyRequests(1, "Too many uploads at once. Wait for one to end.")
        if len(self._running) >= _AT_ONCE:
            raise FilesUnavailable
        self._running.append(caller)
        try:
            yield
        finally:
            self._running.remove(caller)
