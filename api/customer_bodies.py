"""What is sent and shown of customers."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from api.ticket_bodies import OptionalEmail, OptionalText, address_on
from api.views import CustomerView, IdentityView
from channels.jids import InvalidJid
from domain.errors import NothingToUpdate
from domain.ids import customer_id_text, request_id_text
from domain.models import Channel
from domain.text import IdText
from store.customer_requests import RequestKind, RequestState
from store.customer_tables import CustomerRequest
from store.tables import Customer, CustomerIdentity

_COLUMNS = {"name": "name", "primary_email": "email", "phone": "phone"}


class UpdateCustomer(BaseModel):
    """What is left out stays; null clears."""

    name: OptionalText = None
    primary_email: OptionalEmail = None
    phone: OptionalText = None

    @property
    def changes(self) -> dict[str, str | None]:
        """By the names of the store. Raises NothingToUpdate."""
        given = {_COLUMNS[field]: getattr(self, field) for field in self.model_fields_set}
        if not given:
            raise NothingToUpdate
        return given


class AddIdentity(BaseModel):
    channel: Channel
    identity: Annotated[IdText, StringConstraints(strip_whitespace=True)]

    @model_validator(mode="after")
    def _as_the_channel_spells_it(self) -> "AddIdentity":
        try:
            self.identity = address_on(self.channel, self.identity)
        except InvalidJid as error:
            raise ValueError(f"identity: {error}") from None
        return self


class MergeCustomer(BaseModel):
    into: Annotated[IdText, Field(description="The customer who stays, `cust_…`.")]


class CustomerPage(BaseModel):
    customers: list[CustomerView]
    total_count: int
    page: int
    page_size: int


class CustomerRequestView(BaseModel):
    request_id: str
    kind: RequestKind
    customer_id: str
    into: str | None = Field(description="Of a merge, and of its undoing: who stays.")
    undoes: str | None = Field(description="Of an undoing: the merge.")
    state: RequestState
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    download: str | None = Field(description="Of an export that is done, for 7 days.")


def spellings(identity: str, channel: Channel | None) -> frozenset[str]:
    """As a channel may know what somebody has typed."""
    found = set()
    for each in (channel,) if channel else Channel:
        with suppress(InvalidJid):
            found.add(address_on(each, identity))
    return frozenset(found)


def customer_view(
    customer: Customer, identities: Iterable[CustomerIdentity] | None
) -> CustomerView:
    """`identities` None: for the customer themself."""
    known = None
    if identities is not None:
        known = [
            IdentityView(channel=Channel(each.channel), identity=each.identity)
            for each in identities
        ]
    status: Literal["active", "merged", "erased"] = "active"
    if customer.erased_at is not None:
        status = "erased"
    elif customer.merged_into is not None:
        status = "merged"
    return CustomerView(
        customer_id=customer_id_text(customer.id),
        status=status,
        name=customer.name,
        primary_email=customer.email,
        phone=customer.phone,
        created_at=customer.created_at,
        identities=known,
        merged_into=customer_id_text(customer.merged_into) if customer.merged_into else None,
        erased_at=customer.erased_at,
    )


def request_view(request: CustomerRequest) -> CustomerRequestView:
    request_id = request_id_text(request.id)
    is_there = request.kind == RequestKind.EXPORT and request.result is not None
    return CustomerRequestView(
        request_id=request_id,
        kind=RequestKind(request.kind),
        customer_id=customer_id_text(request.customer_id),
        into=customer_id_text(request.into_id) if request.into_id else None,
        undoes=request_id_text(request.of_id) if request.of_id else None,
        state=RequestState(request.state),
        created_at=request.created_at,
        finished_at=request.finished_at,
        error=request.error,
        download=f"/api/customers/requests/{request_id}/file" if is_there else None,
    )
