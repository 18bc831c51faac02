"""Customers with tickets and conversations, and what is wanted of them, without HTTP."""

from uuid import UUID

from activities.customers import CustomerActivities
from domain.models import AuthorKind, Channel
from store import contacts, conversations, customer_requests, customers, errands, tickets
from store.blobs import Blobs
from store.contacts import Sender
from store.conversations import NewConversation
from store.customer_tables import CustomerRequest
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from store.tickets import NewTicket, Written
from tests.store.chatting import POLICY as CHAT
from tests.store.writing import POLICY


async def somebody(
    database: Database,
    *identities: str,
    channel: Channel = Channel.WHATSAPP,
    name: str | None = None,
    email: str | None = None,
) -> UUID:
    async with database.begin() as session:
        introduction = Introduction(channel, name=name, email=email, identities=identities)
        return (await customers.meet(session, introduction)).id


async def ticket_of(
    database: Database, customer_id: UUID, words: str = "Help", **new: str | None
) -> UUID:
    async with database.begin() as session:
        wanted = NewTicket(customer_id, Channel.WEB, "Help", **new)  # type: ignore[arg-type]
        first = Draft(AuthorKind.CUSTOMER, words, author_id=str(customer_id))
        return (await tickets.open_ticket(session, wanted, first, POLICY)).ticket_id


async def talk_of(database: Database, customer_id: UUID) -> UUID:
    """An open conversation."""
    async with database.begin() as session:
        new = NewConversation(customer_id)
        return (await conversations.start(session, new, CHAT.queue_timeout)).conversation_id


async def heard(
    database: Database, address: str, words: str = "Hello", external_id: str | None = None
) -> Written:
    """What comes in over WhatsApp."""
    draft = Draft(AuthorKind.CUSTOMER, words, source="whatsapp-1", external_id=external_id)
    async with database.begin() as session:
        sender = Sender(address, identities=(address,))
        said = await contacts.hear(session, Channel.WHATSAPP, "whatsapp-1", sender, draft, POLICY)
    return said.written


async def owner_of(database: Database, thread_id: UUID) -> UUID:
    async with database.begin() as session:
        return (await tickets.find(session, thread_id)).ticket.customer_id


async def merge(database: Database, left: UUID, into: UUID) -> CustomerRequest:
    async with database.begin() as session:
        return await customer_requests.merge(session, left, into, "user:ada")


async def undo(database: Database, request: CustomerRequest) -> CustomerRequest:
    async with database.begin() as session:
        return await customer_requests.undo(session, request.id, "user:ada")


async def erase(database: Database, customer_id: UUID) -> CustomerRequest:
    async with database.begin() as session:
        return await customer_requests.erase(session, customer_id, "user:ada")


async def carry_out(database: Database, blobs: Blobs, request: CustomerRequest) -> str:
    """As its errand does; returns the state after it."""
    from temporalio.testing import ActivityEnvironment

    await ActivityEnvironment().run(CustomerActivities(database, blobs).carry_out, request.id)
    async with database.begin() as session:
        waiting = await errands.overdue(session, 10)
        assert request.id not in {each.id for each in waiting.errands}
        return (await customer_requests.get(session, request.id)).state
