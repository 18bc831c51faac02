"""Live conversations, written straight into the log: no workflow runs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from domain import conversation_rules as rules
from domain.conversation_life import (
    Accept,
    ChangeConversation,
    ConversationCommand,
    ConversationPolicy,
)
from domain.models import AuthorKind, Channel, Visibility
from store import agents, command_texts, conversations, reading
from store.conversations import NewConversation, Rules, Started
from store.customers import Introduction, meet
from store.database import Database
from store.reading import Entry
from store.threads import Appended, Draft
from tests.store.writing import POLICY as TICKETS

POLICY = ConversationPolicy(
    queue_timeout=timedelta(minutes=5),
    agent_grace=timedelta(minutes=1),
    customer_grace=timedelta(minutes=15),
    idle_timeout=timedelta(minutes=30),
)
RULES = Rules(capacity=3, tickets=TICKETS)


async def new_customer(database: Database, name: str = "Ada") -> UUID:
    async with database.begin() as session:
        return (await meet(session, Introduction(Channel.WEB, name=name))).id


async def start(database: Database, customer_id: UUID, *tags: str) -> Started:
    async with database.begin() as session:
        new = NewConversation(customer_id, tags)
        return await conversations.start(session, new, POLICY.queue_timeout)


async def new_conversation(database: Database, *tags: str) -> UUID:
    """Of a customer who has no other."""
    return (await start(database, await new_customer(database), *tags)).conversation_id


async def hire(
    database: Database, *agent_ids: str, capacity: int | None = None, tags: tuple[str, ...] = ()
) -> None:
    """Agents who are on duty, and were seen just now."""
    async with database.begin() as session:
        for agent_id in agent_ids:
            await agents.add(session, agent_id, agent_id.title())
            await agents.equip(session, agent_id, capacity=capacity, tags=list(tags))
            await agents.set_duty(session, agent_id, on_duty=True)


async def say(
    database: Database,
    conversation_id: UUID,
    author: AuthorKind = AuthorKind.CUSTOMER,
    content: str = "text",
    *,
    visibility: Visibility = Visibility.PUBLIC,
    external_id: str | None = None,
) -> Appended:
    draft = Draft(author, content, visibility=visibility, source="test", external_id=external_id)
    async with database.begin() as session:
        row = await conversations.find(session, conversation_id, lock=True)
        return await conversations.write(session, row, draft)


async def order(
    database: Database,
    conversation_id: UUID,
    command: ConversationCommand,
    *,
    by: str | None = None,
    text: str | None = None,
) -> None:
    """Have a command carried out, as its workflow would."""
    cause = uuid4().hex
    async with database.begin() as session:
        if text is not None:
            await command_texts.keep(session, cause, text)
    async with database.begin() as session:
        state, row = await conversations.load(session, conversation_id)
        change = ChangeConversation(by=by, command=command)
        decision = rules.obey(state, change, datetime.now(UTC), POLICY)
        if decision.changes(state):
            written = decision.then(version=state.version + 1, last_cause=cause)
            await conversations.record(session, row, written.state, written.events, RULES)


async def accept(database: Database, conversation_id: UUID, agent_id: str) -> None:
    await order(database, conversation_id, Accept(agent_id=agent_id), by=agent_id)


async def log_of(database: Database, conversation_id: UUID) -> list[Entry]:
    async with database.begin() as session:
        return await reading.entries(
            session, conversation_id, after_seq=0, limit=10_000, private=True
        )


async def events_of(database: Database, conversation_id: UUID) -> list[str]:
    """The types of the system events, in their order."""
    return [entry.event["type"] for entry in await log_of(database, conversation_id) if entry.event]
