"""Floors C and D as a process: `python -m bench.floors.worker TEMPORAL DSN`, a bare worker."""

import asyncio
import sys

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from bench.floors.inserts import Inserts, open_inserts
from bench.floors.workflow import INSERT, TASK_QUEUE, FloorWorkflow
from workers.signals import ended

_PARTING = 1.0
"""The interpreter can crash when it exits in the instant after a worker has stopped."""


class InsertActivity:
    def __init__(self, inserts: Inserts) -> None:
        self._inserts = inserts

    @activity.defn(name=INSERT)
    async def insert(self, content: str) -> int:
        return await self._inserts.insert("floor", content)


async def work(temporal_address: str, dsn: str) -> None:
    client = await Client.connect(temporal_address)
    async with open_inserts(dsn) as inserts:
        async with Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[FloorWorkflow],
            activities=[InsertActivity(inserts).insert],
        ):
            await ended()
        await asyncio.sleep(_PARTING)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2]))
