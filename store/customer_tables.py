"""The tables of what is done with customers as a whole; see `store.tables`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from store.tables import Table


class CustomerRequest(Table):
    """To merge, to undo a merge, to export or to erase; an errand carries it out."""

    __tablename__ = "customer_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    into_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"))
    """Of a merge."""
    of_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer_requests.id"))
    """Of an undoing: the merge."""
    state: Mapped[str]
    error: Mapped[str | None]
    result: Mapped[dict[str, Any] | None]
    """What it has come to, and while it lasts, what it must not forget."""
    requested_by: Mapped[str]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class CustomerMove(Table):
    """What a merge has moved, to be moved back when it is undone."""

    __tablename__ = "customer_moves"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("customer_requests.id"), primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    """`ticket`, `conversation`, `identity`, `email`, …"""
    name: Mapped[str] = mapped_column(primary_key=True)
