"""What is wanted of a customer as a whole: to merge, to undo that, to export, to erase.

Each is answered at once with a request, and carried out soon after.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.customer_bodies import CustomerRequestView, MergeCustomer, request_view
from api.customers import EVERYBODY, CustomerId, find_visible
from api.errors import describe
from api.idempotency import Once
from api.routes import Routes
from api.services import ServicesDep
from domain.errors import (
    CustomerIsBusy,
    CustomerIsErased,
    CustomerIsMerged,
    CustomerNotFound,
    CustomerRequestNotFound,
    ExportNotReady,
    FilesUnavailable,
    IdempotencyKeyReused,
    NotUndoable,
    SameCustomer,
)
from domain.ids import customer_id_text, parse_customer_id, parse_request_id
from domain.principals import Principal, Role, Scope
from store import customer_requests, exporting
from store.customer_requests import RequestKind
from store.customer_tables import CustomerRequest

MERGERS = allow(Role.AGENT, Role.ADMIN, Scope.ADMIN)
ADMINS = allow(Role.ADMIN, Scope.ADMIN)

router = Routes(prefix="/api/customers", tags=["Customers"])


async def _request_id(
    request_id: Annotated[str, Path(description="`req_…`")],
) -> UUID:
    return parse_request_id(request_id)


RequestId = Annotated[UUID, Depends(_request_id)]


@router.get(
    "/requests/{request_id}",
    dependencies=[EVERYBODY],
    responses=describe(CustomerRequestNotFound),
)
async def get_request(
    request_id: RequestId, caller: Caller, services: ServicesDep
) -> CustomerRequestView:
    """How far it has come. Customers see the exports of their own data."""
    async with services.database.begin() as session:
        return request_view(await _find(session, request_id, caller))


@router.get(
    "/requests/{request_id}/file",
    dependencies=[EVERYBODY],
    response_class=Response,
    responses={
        200: {
            "description": "The export, as a download.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **describe(CustomerRequestNotFound, ExportNotReady, FilesUnavailable),
    },
)
async def get_file(request_id: RequestId, caller: Caller, services: ServicesDep) -> Response:
    """All that is kept of a person. The desk's own notes are not in it."""
    async with services.database.begin() as session:
        request = await _find(session, request_id, caller)
    if request.kind != RequestKind.EXPORT or request.result is None:
        raise ExportNotReady
    try:
        chunks = await services.blobs.get(exporting.key_of(request.id))
    except FileNotFoundError:
        raise ExportNotReady from None
    name = f"{customer_id_text(request.customer_id)}.json"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(chunks, media_type="application/json", headers=headers)


@router.post(
    "/requests/{request_id}/undo",
    status_code=202,
    response_model=CustomerRequestView,
    dependencies=[MERGERS],
    responses=describe(CustomerRequestNotFound, NotUndoable, CustomerIsBusy, IdempotencyKeyReused),
)
async def undo_merge(
    request_id: RequestId, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Give back what a merge has moved, within 30 days. What came since stays where it is."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        request = await customer_requests.undo(session, request_id, caller.key)
        return await once.answer(session, 202, request_view(request))


@router.get(
    "/{customer_id}/requests", dependencies=[EVERYBODY], responses=describe(CustomerNotFound)
)
async def list_requests(
    customer_id: CustomerId,
    caller: Caller,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> list[CustomerRequestView]:
    """The newest first. Customers see the exports of their own data."""
    async with services.database.begin() as session:
        wanted = parse_customer_id(customer_id)
        customer = await find_visible(session, wanted, caller)
        whose = customer.id if caller.is_customer else wanted
        kind = RequestKind.EXPORT if caller.is_customer else None
        found = await customer_requests.of_customer(session, whose, limit, kind)
    return [request_view(each) for each in found]


@router.post(
    "/{customer_id}/merge",
    status_code=202,
    response_model=CustomerRequestView,
    dependencies=[MERGERS],
    responses=describe(
        CustomerNotFound,
        SameCustomer,
        CustomerIsBusy,
        CustomerIsMerged,
        CustomerIsErased,
        IdempotencyKeyReused,
    ),
)
async def merge_customer(
    customer_id: CustomerId,
    body: MergeCustomer,
    caller: Caller,
    services: ServicesDep,
    once: Once,
) -> Response:
    """Two customers are one person: all that is this one's becomes the other's."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        left, into = parse_customer_id(customer_id), parse_customer_id(body.into)
        request = await customer_requests.merge(session, left, into, caller.key)
        return await once.answer(session, 202, request_view(request))


@router.post(
    "/{customer_id}/export",
    status_code=202,
    response_model=CustomerRequestView,
    dependencies=[EVERYBODY],
    responses=describe(CustomerNotFound, CustomerIsErased, IdempotencyKeyReused),
)
async def export_customer(
    customer_id: CustomerId, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Have all that is kept of a person put into a file. Customers may ask for their own."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        customer = await find_visible(session, parse_customer_id(customer_id), caller)
        by = customer_id_text(customer.id) if caller.is_customer else caller.key
        request = await customer_requests.export(session, customer.id, by)
        return await once.answer(session, 202, request_view(request))


@router.post(
    "/{customer_id}/erase",
    status_code=202,
    response_model=CustomerRequestView,
    dependencies=[ADMINS],
    responses=describe(
        CustomerNotFound, CustomerIsBusy, CustomerIsMerged, CustomerIsErased, IdempotencyKeyReused
    ),
)
async def erase_customer(
    customer_id: CustomerId, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Have a person forgotten: text, names and files go for good, a trace without them stays."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        request = await customer_requests.erase(session, parse_customer_id(customer_id), caller.key)
        return await once.answer(session, 202, request_view(request))


async def _find(session: AsyncSession, request_id: UUID, caller: Principal) -> CustomerRequest:
    """Raises CustomerRequestNotFound."""
    request = await customer_requests.get(session, request_id)
    if caller.is_customer:
        try:
            await find_visible(session, request.customer_id, caller)
        except CustomerNotFound:
            raise CustomerRequestNotFound from None
        if request.kind != RequestKind.EXPORT:
            raise CustomerRequestNotFound
    return request
