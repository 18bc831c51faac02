"""Whose JID and whose ticket it is, and who writes: for both XMPP families.

A JID that a customer's token covers is one by which this customer is known, or one that is the
token's `email`: whoever signs the tokens vouches for that. It lets them write under the JID, and
no more: a ticket belongs to the customer who opened it, and the JID is remembered as a
customer's only when a back end, staff or the bridge says so. So a claimed JID shows nobody what
its owner writes, and says nothing of whether they are there.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.idempotency import Attempt
from api.ownership import Author, meet_caller, own_customer, require_access
from channels.jids import InvalidJid, Jid, bare_jid
from domain.errors import InsufficientPermissions, TicketNotFound
from domain.ids import TicketRef
from domain.models import AuthorKind, Channel, Priority
from domain.principals import Principal
from store import customers, tickets
from store.customers import Introduction
from store.tables import Customer
from store.threads import Draft
from store.tickets import TicketRow
from workflows.engine import NewTicketFacts


def pace_of(who: object) -> str:
    """The name under which the messages are counted that somebody else brings for a JID."""
    return f"xmpp:{who}"


def noted(jid: Jid | None, resource: str | None = None, **also: str | None) -> dict[str, Any]:
    """What is kept of a stanza beside its text."""
    told = {"resource": resource or (jid.resource if jid else None), **also}
    return {name: value for name, value in told.items() if value}


async def find_xmpp_ticket(
    session: AsyncSession, ref: TicketRef, caller: Principal, *, lock: bool = False
) -> TicketRow:
    """Raises TicketNotFound, also for tickets of other channels."""
    row = await tickets.find(session, ref, lock=lock)
    if row.ticket.channel != Channel.XMPP:
        raise TicketNotFound
    await require_access(session, caller, row)
    return row


def said_by(author: Author, content: str, once: Attempt, metadata: dict[str, Any]) -> Draft:
    """A public message that a request brings, and brings once."""
    return Draft(
        author=author.kind,
        author_id=author.id,
        author_name=author.name,
        content=content,
        metadata=metadata,
        source=once.source,
        external_id=once.key,
    )


def facts_of(row: TicketRow) -> NewTicketFacts:
    """What the workflow of a new ticket is told."""
    ticket = row.ticket
    return NewTicketFacts(ticket.number, Channel.XMPP, Priority(ticket.priority))


async def require_jid(session: AsyncSession, caller: Principal, jid: Jid) -> None:
    """Customers write as their own JIDs. Raises InsufficientPermissions."""
    if not caller.is_customer or jid.bare == _vouched_for(caller):
        return
    own = await own_customer(session, caller)
    if own is None or not await _is_known_by(session, own, jid):
        raise InsufficientPermissions


async def require_clients_of(session: AsyncSession, caller: Principal, jid: Jid) -> None:
    """Customers say who is there at the JIDs by which they are known, and at their `email` while
    nobody is known by it: then the bridge knows better. Raises InsufficientPermissions."""
    if not caller.is_customer:
        return
    owner = await customers.find_by_identity(session, Channel.XMPP, jid.bare)
    own = await own_customer(session, caller) if owner is not None else None
    if own != owner or (owner is None and jid.bare != _vouched_for(caller)):
        raise InsufficientPermissions


async def require_jid_of(session: AsyncSession, row: TicketRow, jid: Jid) -> None:
    """Raises TicketNotFound where the ticket is not of this JID's customer."""
    if jid.bare != row.ticket.channel_identity and not await _is_known_by(
        session, row.customer, jid
    ):
        raise TicketNotFound


async def meet_jid(session: AsyncSession, caller: Principal, jid: Jid) -> Customer:
    """The customer of a new ticket. Raises InsufficientPermissions."""
    if caller.is_customer:
        await require_jid(session, caller, jid)
        return await meet_caller(session, caller, Channel.XMPP, None)
    return await customers.meet(session, Introduction(Channel.XMPP, identities=(jid.bare,)))


def author_of(caller: Principal, row: TicketRow) -> Author:
    """Who writes into a ticket of seed 001: agents themselves, everybody else for the customer."""
    if caller.is_customer or caller.acts_for_others:
        return as_customer(row.customer, row.ticket.channel_identity)
    return Author(AuthorKind.AGENT, caller.id, caller.name or None)


def as_customer(customer: Customer, jid: str | None) -> Author:
    """By their JID, while nobody has told us their name."""
    return Author(AuthorKind.CUSTOMER, str(customer.id), customer.name or jid)


async def _is_known_by(session: AsyncSession, customer: Customer, jid: Jid) -> bool:
    return await customers.has_identities(session, customer.id, Channel.XMPP, [jid.bare])


def _vouched_for(caller: Principal) -> str | None:
    try:
        return bare_jid(caller.email)
    except InvalidJid:
        return None
