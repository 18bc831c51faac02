"""Merging two customers who are one person, and undoing it.

First, in one transaction under the person's locks: the names, and all that is open. From then on
whoever comes by any name of A is B, and what A writes goes into threads that are B's. Then what is
closed follows, a batch at a time. Undoing goes the other way round. Every move is noted in the
transaction that makes it, so whoever comes after a crash goes on where the last one stopped.

A thread that is begun from another one of A's meanwhile (a follow-up, a chat that becomes a ticket)
is begun under the lock of that other one: so when nothing of A's is left, nothing will come.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import ThreadKind
from store import conversations, customer_requests, customers, threads, tickets
from store.customer_requests import RequestState
from store.customer_tables import CustomerMove, CustomerRequest
from store.database import Database
from store.tables import Conversation, Customer, CustomerIdentity, Ticket

_BATCH = 50
"""Threads a transaction."""
_NAMES = ("name", "email", "phone")


async def merge(database: Database, request: CustomerRequest, batch: int = _BATCH) -> None:
    """Make all that is the customer's the other's. Raises BeingNamed, to be tried again."""
    left, into = _both(request)
    async with database.begin() as session:
        await customers.take_turn_of(session, left, into)
        customer = await customers.find(session, left)
        if customer.merged_into is None:
            customer.merged_into = into
            await _fill(session, request, customer, await customers.find(session, into))
            await _move_identities(session, request, left, into)
            await _move_all(session, request, await _threads_of(session, left, only_open=True))
    while await _merge_some(database, request, batch):
        pass
    async with database.begin() as session:
        await customer_requests.finish(session, await _locked(session, request))


async def undo(database: Database, request: CustomerRequest, batch: int = _BATCH) -> None:
    """Give back what was moved, as far as it is still there. What came since stays where it is.

    Raises BeingNamed, to be tried again.
    """
    left, into = _both(request)
    merge_id = _merge_of(request)
    while await _give_back_some(database, request, batch):
        pass
    async with database.begin() as session:
        await customers.take_turn_of(session, left, into)
        await _return_all(session, request, await _moved_threads(session, merge_id, into))
        await _return_names(session, merge_id, left, into)
        (await customers.find(session, left)).merged_into = None
        await customer_requests.set_state(session, merge_id, RequestState.UNDONE)
        await customer_requests.finish(session, await _locked(session, request))


async def _merge_some(database: Database, request: CustomerRequest, batch: int) -> bool:
    async with database.begin() as session:
        found = await _threads_of(session, request.customer_id, limit=batch)
        await _move_all(session, request, found)
    return bool(found)


async def _give_back_some(database: Database, request: CustomerRequest, batch: int) -> bool:
    _, into = _both(request)
    async with database.begin() as session:
        merge_id = _merge_of(request)
        found = await _moved_threads(session, merge_id, into, only_closed=True, limit=batch)
        await _return_all(session, request, found)
    return bool(found)


async def _move_all(
    session: AsyncSession, request: CustomerRequest, found: Sequence[tuple[ThreadKind, UUID]]
) -> None:
    left, into = _both(request)
    for kind, thread_id in found:
        if await _move(session, kind, thread_id, left, into):
            await _note(session, request.id, kind, str(thread_id))


async def _return_all(
    session: AsyncSession, request: CustomerRequest, found: Sequence[tuple[ThreadKind, UUID]]
) -> None:
    left, into = _both(request)
    for kind, thread_id in found:
        await _move(session, kind, thread_id, into, left)


async def _move(
    session: AsyncSession, kind: ThreadKind, thread_id: UUID, giver: UUID, taker: UUID
) -> bool:
    """Give a thread to another customer. False where it is not the giver's, any more."""
    whose: type[Ticket | Conversation]
    if kind is ThreadKind.TICKET:
        whose = Ticket
        owner = (await tickets.find(session, thread_id, lock=True)).ticket.customer_id
    else:
        whose = Conversation
        found = await conversations.find(session, thread_id, lock=True)
        owner = found.conversation.customer_id
    if owner != giver:
        return False
    await session.execute(update(whose).where(whose.id == thread_id).values(customer_id=taker))
    # A platform that repeats a message finds it by who said it, too.
    words = {"id": thread_id, "giver": str(giver), "taker": str(taker)}
    await session.execute(_RENAME_AUTHOR, words)
    await threads.touch(session, thread_id)
    return True


async def _threads_of(
    session: AsyncSession, customer_id: UUID, *, only_open: bool = False, limit: int | None = None
) -> list[tuple[ThreadKind, UUID]]:
    """In the order of their ids, in which all lock them who lock several."""
    rows = await session.execute(
        _THREADS_OF, {"customer": customer_id, "only_open": only_open, "limit": limit}
    )
    return [(ThreadKind(row.kind), row.id) for row in rows]


async def _moved_threads(
    session: AsyncSession,
    merge_id: UUID,
    into: UUID,
    *,
    only_closed: bool = False,
    limit: int | None = None,
) -> list[tuple[ThreadKind, UUID]]:
    """What was moved, and is where it was moved to."""
    asked = {"merge": merge_id, "into": into, "only_closed": only_closed, "limit": limit}
    rows = await session.execute(_MOVED_THREADS, asked)
    return [(ThreadKind(row.kind), row.id) for row in rows]


async def _fill(
    session: AsyncSession, request: CustomerRequest, left: Customer, into: Customer
) -> None:
    """What the other has no name, e-mail or phone of, is taken over."""
    for name in _NAMES:
        known = getattr(left, name)
        if known and not getattr(into, name):
            if name == "email":
                # An e-mail address leads to one customer.
                left.email = None
                await session.flush()
            setattr(into, name, known)
            await _note(session, request.id, name, known)
    await session.flush()


async def _move_identities(
    session: AsyncSession, request: CustomerRequest, left: UUID, into: UUID
) -> None:
    for each in await customers.identities(session, left):
        await _note(session, request.id, "identity", f"{each.channel}:{each.identity}")
    await session.execute(
        update(CustomerIdentity)
        .where(CustomerIdentity.customer_id == left)
        .values(customer_id=into)
        .execution_options(synchronize_session=False)
    )


async def _return_names(
    session: AsyncSession, merge_id: UUID, left_id: UUID, into_id: UUID
) -> None:
    left, into = await customers.find(session, left_id), await customers.find(session, into_id)
    moves = await session.scalars(
        select(CustomerMove).where(
            CustomerMove.request_id == merge_id, CustomerMove.what.in_((*_NAMES, "identity"))
        )
    )
    for move in moves:
        if move.what == "identity":
            channel, _, identity = move.name.partition(":")
            wanted = {"channel": channel, "identity": identity, "left": left_id, "into": into_id}
            await session.execute(_RETURN_IDENTITY, wanted)
        elif getattr(into, move.what) == move.name:
            setattr(into, move.what, None)
            await session.flush()
            setattr(left, move.what, getattr(left, move.what) or move.name)
    await session.flush()


async def _note(session: AsyncSession, request_id: UUID, what: str, name: str) -> None:
    await session.execute(
        insert(CustomerMove)
        .values(request_id=request_id, what=what, name=name)
        .on_conflict_do_nothing()
    )


async def _locked(session: AsyncSession, request: CustomerRequest) -> CustomerRequest:
    return await customer_requests.get(session, request.id, lock=True)


def _both(request: CustomerRequest) -> tuple[UUID, UUID]:
    if request.into_id is None:
        raise RuntimeError("a merge is of two")
    return request.customer_id, request.into_id


def _merge_of(request: CustomerRequest) -> UUID:
    if request.of_id is None:
        raise RuntimeError("what is undone is a merge")
    return request.of_id


_THREADS_OF = text(
    """
    SELECT id, 'ticket' AS kind FROM tickets
    WHERE customer_id = :customer AND (status <> 'closed' OR NOT :only_open)
    UNION ALL
    SELECT id, 'conversation' FROM conversations
    WHERE customer_id = :customer AND (status <> 'CLOSED' OR NOT :only_open)
    ORDER BY id LIMIT :limit
    """
)
_MOVED_THREADS = text(
    """
    WITH moved AS MATERIALIZED (
        SELECT name FROM customer_moves
        WHERE request_id = :merge AND what IN ('ticket', 'conversation')
    )
    SELECT threads.id, threads.kind
    FROM moved JOIN threads ON threads.id = CAST(moved.name AS uuid)
        LEFT JOIN tickets ON tickets.id = threads.id
        LEFT JOIN conversations ON conversations.id = threads.id
    WHERE coalesce(tickets.customer_id, conversations.customer_id) = :into
        AND NOT (threads.open AND :only_closed)
    ORDER BY threads.id LIMIT :limit
    """
)
_RENAME_AUTHOR = text(
    """
    UPDATE messages SET author_id = :taker
    WHERE thread_id = :id AND author = 'customer' AND author_id = :giver
    """
)
_RETURN_IDENTITY = text(
    """
    UPDATE customer_identities SET customer_id = :left
    WHERE channel = :channel AND identity = :identity AND customer_id = :into
    """
)
