"""A worker's connection to Temporal, which may be away at any time."""

import asyncio
from collections.abc import Callable

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from domain.errors import EngineUnavailable
from workflows.connection import connect
from workflows.engine import Engine

log = structlog.get_logger(__name__)


async def reach_temporal() -> Client:
    """Wait until Temporal is there, and knows our search attributes."""
    while True:
        try:
            client = await connect(lazy=False)
            await Engine(client).add_search_attributes()
        except (EngineUnavailable, RuntimeError):
            log.warning("worker_waits_for_temporal")
            await asyncio.sleep(1)
        else:
            return client


async def work_until(stop: asyncio.Event, engine: Engine, make: Callable[[], Worker]) -> None:
    """Until `stop`: run a worker, and a new one whenever Temporal has been away.

    One that has lost Temporal asks for work again ever more seldom, in the end every 12 seconds,
    and nothing can wake it before.
    """
    while not stop.is_set():
        async with make():
            found = asyncio.create_task(_lost_and_found(engine))
            over = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait([found, over], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (found, over):
                    task.cancel()
                await asyncio.gather(found, over, return_exceptions=True)


async def _lost_and_found(engine: Engine) -> None:
    """Return when Temporal is back after it was away."""
    lost = False
    while True:
        try:
            await engine.check()
        except EngineUnavailable:
            lost = True
        else:
            if lost:
                log.info("worker_begins_anew")
                return
        await asyncio.sleep(0.5)
