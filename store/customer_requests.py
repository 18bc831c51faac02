"""What is wanted of a customer as a whole: to merge, to undo that, to export, to erase.

A request is written along with its errand, and carried out soon after; see `activities.customers`.
At most one at a time changes a customer.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errands import ErrandKind
from domain.errors import (
    CustomerIsBusy,
    CustomerIsErased,
    CustomerIsMerged,
    CustomerNotFound,
    CustomerRequestNotFound,
    NotUndoable,
    SameCustomer,
)
from domain.ids import new_id
from store import errands
from store.customer_tables import CustomerRequest
from store.tables import Customer

UNDOABLE_FOR = timedelta(days=30)
EXPORT_KEPT_FOR = timedelta(days=7)


class RequestKind(StrEnum):
    MERGE = "merge"
    UNDO = "undo"
    EXPORT = "export"
    ERASE = "erase"


class RequestState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    """Of a merge."""


_CHANGING = (RequestKind.MERGE, RequestKind.UNDO, RequestKind.ERASE)


async def merge(
    session: AsyncSession, customer_id: UUID, into_id: UUID, by: str
) -> CustomerRequest:
    """Have all that is a customer's made another's.

    Raises CustomerNotFound, SameCustomer, and what `_require_free` raises.
    """
    if customer_id == into_id:
        raise SameCustomer
    await _require_free(session, customer_id, into_id)
    return await _add(session, RequestKind.MERGE, customer_id, by, into_id=into_id)


async def undo(session: AsyncSession, request_id: UUID, by: str) -> CustomerRequest:
    """Have a merge undone. Raises CustomerRequestNotFound, NotUndoable and CustomerIsBusy."""
    merged = await get(session, request_id)
    if merged.kind != RequestKind.MERGE or merged.into_id is None:
        raise NotUndoable
    people = await _lock(session, merged.customer_id, merged.into_id)
    await _require_idle(session, *people)
    await session.refresh(merged)
    young = await session.scalar(_IS_YOUNG, {"id": request_id, "age": UNDOABLE_FOR})
    left, into = people[merged.customer_id], people[merged.into_id]
    apart = left.merged_into != into.id or into.merged_into is not None
    if merged.state != RequestState.DONE or not young or apart or into.erased_at is not None:
        raise NotUndoable
    return await _add(
        session, RequestKind.UNDO, merged.customer_id, by, into_id=into.id, of_id=merged.id
    )


async def export(session: AsyncSession, customer_id: UUID, by: str) -> CustomerRequest:
    """Have everything about a customer put into a file; one that waits already is not doubled.

    Raises CustomerIsErased."""
    people = await _lock(session, customer_id)
    if people[customer_id].erased_at is not None:
        raise CustomerIsErased
    waiting = select(CustomerRequest).where(
        CustomerRequest.customer_id == customer_id,
        CustomerRequest.kind == RequestKind.EXPORT,
        CustomerRequest.state == RequestState.PENDING,
    )
    known = await session.scalar(waiting.limit(1))
    return known or await _add(session, RequestKind.EXPORT, customer_id, by)


async def erase(session: AsyncSession, customer_id: UUID, by: str) -> CustomerRequest:
    """Have a person forgotten, for good. Raises what `_require_free` raises."""
    await _require_free(session, customer_id)
    return await _add(session, RequestKind.ERASE, customer_id, by)


async def get(session: AsyncSession, request_id: UUID, *, lock: bool = False) -> CustomerRequest:
    """With `lock`, nobody else changes it until the transaction ends.

    Raises CustomerRequestNotFound.
    """
    request = await session.get(
        CustomerRequest, request_id, with_for_update=lock or None, populate_existing=lock
    )
    if request is None:
        raise CustomerRequestNotFound
    return request


async def of_customer(
    session: AsyncSession, customer_id: UUID, limit: int, kind: RequestKind | None = None
) -> Sequence[CustomerRequest]:
    """The newest first, also those by which others were merged into this customer."""
    query = (
        select(CustomerRequest)
        .where(
            or_(CustomerRequest.customer_id == customer_id, CustomerRequest.into_id == customer_id)
        )
        .order_by(CustomerRequest.created_at.desc(), CustomerRequest.id.desc())
        .limit(limit)
    )
    if kind is not None:
        query = query.where(CustomerRequest.kind == kind)
    return (await session.scalars(query)).all()


async def finish(
    session: AsyncSession,
    request: CustomerRequest,
    state: RequestState = RequestState.DONE,
    error: str | None = None,
) -> None:
    """It is over, in this transaction; `error` is a sentence."""
    request.state = state
    request.error = error
    request.finished_at = func.clock_timestamp()
    await errands.end(session, ErrandKind.CUSTOMER, request.id)
    await session.flush()


async def set_state(session: AsyncSession, request_id: UUID, state: RequestState) -> None:
    await session.execute(
        update(CustomerRequest).where(CustomerRequest.id == request_id).values(state=state)
    )


async def _add(
    session: AsyncSession,
    kind: RequestKind,
    customer_id: UUID,
    by: str,
    *,
    into_id: UUID | None = None,
    of_id: UUID | None = None,
) -> CustomerRequest:
    request = CustomerRequest(
        id=new_id(),
        kind=kind,
        customer_id=customer_id,
        into_id=into_id,
        of_id=of_id,
        state=RequestState.PENDING,
        requested_by=by,
        created_at=func.clock_timestamp(),
    )
    session.add(request)
    await session.flush()
    await session.refresh(request)
    await errands.add(session, ErrandKind.CUSTOMER, request.id)
    return request


async def _require_free(session: AsyncSession, *customer_ids: UUID) -> None:
    """Raises CustomerNotFound, CustomerIsMerged, CustomerIsErased and CustomerIsBusy."""
    people = await _lock(session, *customer_ids)
    await _require_idle(session, *people)
    if any(person.erased_at is not None for person in people.values()):
        raise CustomerIsErased
    if any(person.merged_into is not None for person in people.values()):
        raise CustomerIsMerged


async def _require_idle(session: AsyncSession, *customer_ids: UUID) -> None:
    of_theirs = or_(
        CustomerRequest.customer_id.in_(customer_ids), CustomerRequest.into_id.in_(customer_ids)
    )
    query = select(CustomerRequest.id).where(
        of_theirs,
        CustomerRequest.state == RequestState.PENDING,
        CustomerRequest.kind.in_(_CHANGING),
    )
    if await session.scalar(query.limit(1)) is not None:
        raise CustomerIsBusy


async def _lock(session: AsyncSession, *customer_ids: UUID) -> dict[UUID, Customer]:
    """Raises CustomerNotFound."""
    query = (
        select(Customer)
        .where(Customer.id.in_(customer_ids))
        .order_by(Customer.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    people = {person.id: person for person in await session.scalars(query)}
    if len(people) < len(set(customer_ids)):
        raise CustomerNotFound
    return people


_IS_YOUNG = text(
    "SELECT finished_at > clock_timestamp() - :age FROM customer_requests WHERE id = :id"
)
