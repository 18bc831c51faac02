"""The tables of what goes out and comes in by platforms; see `store.tables`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from store.tables import Table


class DeliveryPiece(Table):
    """What is one message to the platform: a delivery is one of them or several, because texts
    can be too long and files go for themselves."""

    __tablename__ = "delivery_pieces"

    thread_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    piece: Mapped[int] = mapped_column(primary_key=True)
    outlet: Mapped[str]
    address: Mapped[str]
    external_id: Mapped[str | None]
    """What the other side calls it, in receipts and errors."""
    state: Mapped[str]
    tried_at: Mapped[datetime]


class OutletState(Table):
    """An outlet that has something to be known of: others have no row."""

    __tablename__ = "outlets"

    name: Mapped[str] = mapped_column(primary_key=True)
    paused_until: Mapped[datetime | None]
    reason: Mapped[str | None]
    """Why: a sentence for operators."""


class Contact(Table):
    """A customer's address, as one outlet knows it."""

    __tablename__ = "contacts"

    outlet: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime | None]
    """When they last wrote, by the platform's clock: some let nobody write to them long after."""
    delivered_until: Mapped[datetime | None]
    """All that went out until then has arrived; some platforms tell it so."""
    read_until: Mapped[datetime | None]


class EarlyNews(Table):
    """What a platform has told of a message before it told what it calls that message."""

    __tablename__ = "early_news"

    outlet: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    error: Mapped[str | None]
    at: Mapped[datetime]


class Mailbox(Table):
    """How far a mailbox was read (RFC 3501, 2.3.1.1)."""

    __tablename__ = "mailboxes"

    name: Mapped[str] = mapped_column(primary_key=True)
    uid_validity: Mapped[int] = mapped_column(BigInteger)
    uid: Mapped[int] = mapped_column(BigInteger)
