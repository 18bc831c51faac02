"""Erasing a person: what they said and are known by goes, a trace without it stays.

First, in one transaction under the person's locks, everything by which they are known: from then
on they are nobody, and who comes under the same name is new. Then their threads, each in a
transaction of its own; one that is open is told, and is done when its workflow has closed it. Then
what others have written down of them elsewhere. What is done is noted, so that whoever comes after
a crash goes on where the last one stopped.

What is kept: ids, times, statuses, who of the desk did what, and so every figure and tally.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event
from domain.models import EventType, ThreadKind, Visibility
from store import (
    attachments,
    conversations,
    customer_requests,
    customers,
    erased_rows,
    threads,
    tickets,
)
from store.attachments import Unwanted
from store.customer_requests import RequestKind
from store.customer_tables import CustomerMove, CustomerRequest
from store.database import Database
from store.tables import Customer, CustomerIdentity

_TOLD, _ERASED = "told", "thread"
"""What `customer_moves` calls a thread that was told to end, and one that is done with."""
_BATCH = 200


async def forget_names(database: Database, request: CustomerRequest) -> None:
    """Make the customer, and those who were merged into them, nobody.

    Raises BeingNamed, to be tried again.
    """
    async with database.begin() as session:
        await customers.take_turn_of(session, request.customer_id)
        locked = await customer_requests.get(session, request.id, lock=True)
        people = await customers.merged_with(session, request.customer_id)
        if locked.result is None:
            # What is still to be looked for elsewhere; gone when the request is done.
            locked.result = {"names": await _known_by(session, people)}
        await erased_rows.forget_addresses(session, people)
        await session.execute(
            delete(CustomerIdentity).where(CustomerIdentity.customer_id.in_(people))
        )
        await session.execute(
            update(Customer)
            .where(Customer.id.in_(people))
            .values(
                name=None,
                email=None,
                phone=None,
                erased_at=func.coalesce(Customer.erased_at, func.clock_timestamp()),
            )
        )
        await erased_rows.forget_requests(session, people, but=request.id)


async def next_threads(
    session: AsyncSession, request: CustomerRequest, after: UUID | None
) -> list[tuple[ThreadKind, UUID]]:
    """Some of the person's threads that are not done with, in the order of their ids."""
    people = await customers.merged_with(session, request.customer_id)
    asked = {"people": people, "request": request.id, "after": after, "limit": _BATCH}
    rows = await session.execute(_NEXT_THREADS, asked)
    return [(ThreadKind(row.kind), row.id) for row in rows]


async def erase_thread(
    database: Database, request: CustomerRequest, kind: ThreadKind, thread_id: UUID
) -> tuple[bool, list[Unwanted]]:
    """Erase what was said in a thread. False while it is open: then it was told to close, and has
    to be erased again, because something may be said until then.

    The files are to be deleted by the caller, or by housekeeping."""
    async with database.begin() as session:
        if kind is ThreadKind.TICKET:
            ticket = await tickets.find(session, thread_id, lock=True)
            locked, status = ticket.locked, None
        else:
            conversation = await conversations.find(session, thread_id, lock=True)
            locked, status = conversation.locked, conversation.conversation.status
        if locked.open and not await _note(session, request.id, _TOLD, str(thread_id)):
            return False, []
        await erased_rows.erase_log(session, thread_id)
        await erased_rows.erase_head(session, kind, thread_id)
        files = await attachments.delete_of_threads(session, [thread_id])
        if locked.open:
            event = Event(type=EventType.ERASED, visibility=Visibility.PUBLIC, status=status)
            await threads.append_event(session, locked, event)
        else:
            await threads.touch(session, thread_id)
            await _note(session, request.id, _ERASED, str(thread_id))
    return not locked.open, files


async def forget_mentions(database: Database, request: CustomerRequest) -> None:
    """Erase what agents have asked the assistant of the person, and answers kept for whoever asks
    again."""
    async with database.begin() as session:
        people = await customers.merged_with(session, request.customer_id)
        locked = await customer_requests.get(session, request.id)
        names = (locked.result or {}).get("names", [])
    await erased_rows.forget_mentions(database, people, names)


async def finish(database: Database, request: CustomerRequest) -> None:
    """Nothing of the person is left; forget what was noted in order to get there."""
    async with database.begin() as session:
        locked = await customer_requests.get(session, request.id, lock=True)
        await session.execute(delete(CustomerMove).where(CustomerMove.request_id == request.id))
        locked.result = None
        await customer_requests.finish(session, locked)


async def exports_of(session: AsyncSession, request: CustomerRequest) -> Sequence[UUID]:
    """Requests whose files are to be deleted."""
    people = await customers.merged_with(session, request.customer_id)
    query = select(CustomerRequest.id).where(
        CustomerRequest.customer_id.in_(people), CustomerRequest.kind == RequestKind.EXPORT
    )
    return (await session.scalars(query)).all()


async def _note(session: AsyncSession, request_id: UUID, what: str, name: str) -> bool:
    """False where it was noted before."""
    noted = await session.scalar(
        insert(CustomerMove)
        .values(request_id=request_id, what=what, name=name)
        .on_conflict_do_nothing()
        .returning(CustomerMove.name)
    )
    return noted is not None


async def _known_by(session: AsyncSession, people: Sequence[UUID]) -> list[str]:
    return list(await session.scalars(_KNOWN_BY, {"people": list(people)}))


_KNOWN_BY = text(
    r"""
    SELECT DISTINCT name FROM (
        SELECT unnest(ARRAY[name, email, phone]) AS name FROM customers WHERE id = ANY(:people)
        UNION ALL
        -- Who asks about somebody seldom says the whole name.
        SELECT regexp_split_to_table(name, '\s+') FROM customers WHERE id = ANY(:people)
        UNION ALL
        SELECT identity FROM customer_identities WHERE customer_id = ANY(:people)
        UNION ALL
        SELECT unnest(ARRAY[channel_identity, origin_platform_id]) FROM tickets
        WHERE customer_id = ANY(:people)
        UNION ALL
        SELECT contact_email FROM conversations WHERE customer_id = ANY(:people)
    ) AS known WHERE length(name) > 2
    """
)
_NEXT_THREADS = text(
    """
    SELECT id, kind FROM (
        SELECT id, 'ticket' AS kind FROM tickets WHERE customer_id = ANY(:people)
        UNION ALL
        SELECT id, 'conversation' FROM conversations WHERE customer_id = ANY(:people)
    ) AS theirs
    WHERE (CAST(:after AS uuid) IS NULL OR id > :after) AND NOT EXISTS (
        SELECT FROM customer_moves
        WHERE request_id = :request AND what = 'thread' AND name = CAST(theirs.id AS text)
    )
    ORDER BY id LIMIT :limit
    """
)
