"""The worker process: workflows, their short activities, and the relay."""

import asyncio
from collections.abc import AsyncIterator
from compileall import compile_dir
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.assistance import AnswerActivities
from activities.conversations import ConversationActivities
from activities.deliveries import UnsentDeliveries
from activities.tickets import TicketActivities
from assistant.embeddings import Embedder
from assistant.reply import Assistant
from domain import names
from domain.assistance import AssistPolicy
from domain.conversation_life import ConversationPolicy
from domain.deadlines import DeadlinePolicy
from holdfast.settings import Settings
from store.conversations import Rules
from store.database import Database
from workers import logs
from workers.allocation import assign_forever
from workers.assistance import make_answer_worker
from workers.attendance import keep_attendance
from workers.databases import open_database
from workers.discretion import DiscreetFailures
from workers.embedding import embed_forever
from workers.garbage import leave_the_start_alone
from workers.housekeeping import keep_house, show_life
from workers.models import assistant_of, embedder_of
from workers.outside import Outside
from workers.relay import Relay
from workers.signals import ended
from workers.temporal import reach_temporal, work_until
from workflows import ticket
from workflows.conversation import ConversationWorkflow
from workflows.engine import Engine
from workflows.errand import ErrandWorkflow
from workflows.ticket import TicketWorkflow

log = structlog.get_logger(__name__)

_WORKFLOWS_IN_MEMORY = 250
"""An idle ticket costs nothing but its history in Temporal; these are the busiest ones."""
_PARTING = 1.0
"""The interpreter can crash when it exits in the instant after a worker has stopped."""


@dataclass(frozen=True, slots=True)
class Policies:
    """What the settings say about the lives of threads."""

    tickets: DeadlinePolicy
    chat: ConversationPolicy
    agent_capacity: int = 3
    assistance: AssistPolicy = field(default_factory=AssistPolicy)
    delivery_patience: timedelta = timedelta(hours=24)
    unserved_after: timedelta = timedelta(minutes=15)
    assigns: bool = False
    """Whether conversations are given to agents, or wait to be accepted."""

    @classmethod
    def of(cls, settings: Settings) -> "Policies":
        return cls(
            settings.deadline_policy(),
            settings.conversation_policy(),
            settings.agent_capacity,
            settings.assist_policy(),
            settings.delivery_patience,
            assigns=settings.assignment == "auto",
        )

    def rules(self) -> Rules:
        return Rules(self.agent_capacity, self.tickets, self.assistance)


def make_worker(
    client: Client,
    database: Database,
    policies: Policies,
    *,
    task_queue: str = names.TASK_QUEUE_THREADS,
) -> Worker:
    tickets = TicketActivities(
        database, policies.tickets, policies.unserved_after, policies.assistance
    )
    conversations = ConversationActivities(database, policies.chat, policies.rules())
    unsent = UnsentDeliveries(database, policies.delivery_patience)
    answers = AnswerActivities(database, policies.assistance, policies.tickets)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[TicketWorkflow, ConversationWorkflow, ErrandWorkflow],
        activities=[
            tickets.load_ticket,
            tickets.advance_ticket,
            conversations.load_conversation,
            conversations.advance_conversation,
            unsent.give_up_unsent,
            answers.answer_simply,
        ],
        interceptors=[DiscreetFailures()],
        max_cached_workflows=_WORKFLOWS_IN_MEMORY,
        max_concurrent_workflow_tasks=50,
        max_concurrent_local_activities=50,
        # How long Temporal hopes for a killed worker that knew a ticket, before it asks another.
        # Deadlines of that ticket have to come within a second all the same.
        sticky_queue_schedule_to_start_timeout=timedelta(milliseconds=800),
        graceful_shutdown_timeout=timedelta(seconds=2),
    )


def compile_workflows() -> None:
    """The sandbox imports a workflow's module anew for every ticket that it takes into memory.
    Where Python is told not to write bytecode, as in many containers, it would compile it anew
    each time, which takes longer than all the rest of a ticket's first look."""
    compile_dir(Path(ticket.__file__).parent, maxlevels=0, quiet=2)


async def run(settings: Settings) -> None:
    """Work until the process is told to end."""
    await asyncio.to_thread(compile_workflows)
    leave_the_start_alone()
    logs.configure(settings.log_level, settings.log_format)
    model, embedder = assistant_of(settings), embedder_of(settings)
    database = open_database(settings)
    try:
        outside = Outside(settings, database)
        async with working(database, Policies.of(settings), outside, model, embedder):
            log.info("worker_ready")
            await ended()
    finally:
        await database.close()
        await asyncio.sleep(_PARTING)


@asynccontextmanager
async def working(
    database: Database,
    policies: Policies,
    outside: Outside,
    model: Assistant | None = None,
    embedder: Embedder | None = None,
) -> AsyncIterator[None]:
    """Everything that a worker process does, as long as the block lasts. `model` answers customers
    before people do; without it, the built-in assistant does. With an `embedder`, articles are
    found by meaning too."""
    client = await reach_temporal()
    engine = Engine(client)
    stop = asyncio.Event()
    # Should one of them fail, so does the process: it is started again, and nobody has to guess
    # what of it still works.
    async with asyncio.TaskGroup() as group:
        group.create_task(work_until(stop, engine, lambda: make_worker(client, database, policies)))
        answers = AnswerActivities(database, policies.assistance, policies.tickets, model, embedder)
        group.create_task(work_until(stop, engine, lambda: make_answer_worker(client, answers)))
        group.create_task(outside.work(client, engine, stop))
        chores = [
            group.create_task(outside.keep_files()),
            group.create_task(outside.read_mail(engine)),
            group.create_task(Relay(database, engine).run()),
            group.create_task(keep_attendance(database, engine)),
            *(
                [group.create_task(assign_forever(database, engine, policies.agent_capacity))]
                if policies.assigns
                else []
            ),
            *([group.create_task(embed_forever(database, embedder))] if embedder else []),
            group.create_task(keep_house(database)),
            group.create_task(show_life(database)),
        ]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            stop.set()
