"""Work that goes on beside the rest, and ends with whoever began it."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Those of one owner, who has to `end` them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._over = False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Not any more after the end."""
        if self._over:
            work.close()
            return
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self, patience: float = 0) -> None:
        """Begin nothing more, give what runs so many seconds, and cancel the rest."""
        self._over = True
        if not self._running:
            return
        running = self._running.copy()
        await asyncio.wait(running, timeout=patience)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
