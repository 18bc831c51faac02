"""Activities that take long say that they are alive, and hear when they are called off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

_BEAT = 1.0
"""Seconds. One whose process is killed is missed after the activity's heartbeat time-out."""


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """As long as the block lasts."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(_BEAT)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
