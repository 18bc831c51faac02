"""A process that calls webhooks, to be killed: `python -m tests.workflows.errand_process`, then
the database, Temporal's address and the host that may be called."""

import asyncio
import sys

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.webhooks import CallWebhook
from channels.safe_http import SafeClient
from store.database import Database
from workers.errands import make_errand_worker


async def main(dsn: str, address: str, host: str) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async with SafeClient(frozenset({host})) as http:
        await make_errand_worker(client, [CallWebhook(Database(dsn), http).call_webhook]).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
