"""Waiting for what shows itself only when one looks."""

import asyncio
from collections.abc import Callable

from bench.errors import TookTooLong

_LOOK_AGAIN = 0.005


async def until(come: Callable[[], bool], patience: float, what: str) -> None:
    """Return when `come()` is true. Raises TookTooLong after `patience` seconds, naming `what`."""
    try:
        async with asyncio.timeout(patience):
            while not come():
                await asyncio.sleep(_LOOK_AGAIN)
    except TimeoutError:
        raise TookTooLong(f"{what} within {patience:.0f} s") from None
