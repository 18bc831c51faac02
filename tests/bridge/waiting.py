"""Waiting for what must become true, instead of sleeping for luck."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from bridge.stanzas import Incoming

T = TypeVar("T")


async def until(fact: Callable[[], object], patience: float = 10) -> None:
    """Return when `fact` holds. Raises TimeoutError."""
    async with asyncio.timeout(patience):
        while not fact():
            await asyncio.sleep(0.01)


async def next_of(kind: type[T], incoming: AsyncIterator[Incoming], patience: float = 10) -> T:
    """The next stanza of this kind, whatever comes before it. Raises TimeoutError."""
    async with asyncio.timeout(patience):
        async for stanza in incoming:
            if isinstance(stanza, kind):
                return stanza
    raise AssertionError(f"The stream ended before a {kind.__name__} came.")
