"""The worker of one outlet: it takes what the threads' workflows want sent."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.deliveries import DeliveryActivities
from channels.outlet import Outlet
from domain import names
from store.database import Database
from workers.discretion import DiscreetFailures

_AT_ONCE = 100
"""Threads. A hundred whose customers' servers are slow must not hold up the next one."""


def make_delivery_worker(
    client: Client, database: Database, outlet: Outlet, patience: timedelta
) -> Worker:
    """`patience`: for so long a message is tried."""
    deliveries = DeliveryActivities(database, outlet, patience)
    return Worker(
        client,
        task_queue=names.delivery_queue(outlet.name),
        activities=[deliveries.deliver],
        interceptors=[DiscreetFailures()],
        max_concurrent_activities=_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=2),
    )
