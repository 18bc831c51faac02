"""The worker of one outlet: it takes what the threads' workflows want sent."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.deliveries import NEWS_WITHIN, DeliveryActivities
from channels.outlet import Outlet
from domain import names
from domain.deliveries import Limit
from store.database import Database
from workers.discretion import DiscreetFailures

_SHORT = timedelta(seconds=10)
_AT_ONCE = 100
"""Threads. A hundred whose customers' servers are slow must not hold up the next one."""


def make_delivery_worker(
    client: Client,
    database: Database,
    outlet: Outlet,
    patience: timedelta,
    news_within: timedelta = NEWS_WITHIN,
) -> Worker:
    """`patience`: for so long a message is tried."""
    deliveries = DeliveryActivities(database, outlet, patience, news_within)
    return Worker(
        client,
        task_queue=names.delivery_queue(outlet.name),
        activities=[deliveries.deliver],
        interceptors=[DiscreetFailures()],
        max_concurrent_activities=_AT_ONCE,
        # What the outbox counts itself is exact; this only spares it the asking.
        max_task_queue_activities_per_second=_rate(outlet.limits),
        graceful_shutdown_timeout=timedelta(seconds=2),
    )


def _rate(limits: Sequence[Limit]) -> float | None:
    """Of those that hold for all customers together and within seconds."""
    rates = [
        limit.most / limit.within.total_seconds()
        for limit in limits
        if not limit.to_each and limit.within <= _SHORT
    ]
    return min(rates, default=None)
