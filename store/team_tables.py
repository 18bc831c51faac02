"""The tables of team chat, named as in seed 002. Its users are the rows of `agents`."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity
from sqlalchemy.orm import Mapped, mapped_column

from store.tables import Table


class ChatMessage(Table):
    """What one colleague wrote to another."""

    __tablename__ = "chat_messages"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    """Ascending in the order of the commits, among all messages that one user sent or got."""
    sender_id: Mapped[str] = mapped_column(ForeignKey("agents.id"))
    receiver_id: Mapped[str] = mapped_column(ForeignKey("agents.id"))
    message: Mapped[str]
    message_type: Mapped[str]
    read_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    client_id: Mapped[str | None]
    """What the sender calls it."""
    sender_sid: Mapped[str | None]
    """The socket that sent it, which needs not be told."""


class FrequentContact(Table):
    """With whom a user writes, or whom they have added by hand."""

    __tablename__ = "frequent_contacts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("agents.id"))
    contact_id: Mapped[str] = mapped_column(ForeignKey("agents.id"))
    last_contact: Mapped[datetime]
    created_at: Mapped[datetime]
