"""The worker of the assistant: it answers what the threads' workflows want answered."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.assistance import AnswerActivities
from domain import names
from workers.discretion import DiscreetFailures

_AT_ONCE = 50
"""Answers: a model takes seconds for each, in which nothing else is kept waiting."""


def make_answer_worker(client: Client, answers: AnswerActivities) -> Worker:
    return Worker(
        client,
        task_queue=names.TASK_QUEUE_ASSIST,
        activities=[answers.answer],
        interceptors=[DiscreetFailures()],
        max_concurrent_activities=_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=2),
    )
