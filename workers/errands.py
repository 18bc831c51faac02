"""The worker of errands: what is done outside of any thread."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from domain import names
from workers.discretion import DiscreetFailures

_AT_ONCE = 50
"""Most of them wait for somebody else's server."""


def make_errand_worker(client: Client, activities: Sequence[Callable[..., Any]]) -> Worker:
    """`activities` are named by `domain.errands.ErrandKind`."""
    return Worker(
        client,
        task_queue=names.TASK_QUEUE_ERRANDS,
        activities=activities,
        interceptors=[DiscreetFailures()],
        max_concurrent_activities=_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=2),
    )
