"""The tables of work outside of any thread, and of files; see `store.tables`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from store.tables import Table


class StoredErrand(Table):
    """Something that has to be done; the row is gone when it is. See `store.errands`."""

    __tablename__ = "errands"

    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Of what it concerns: an attachment, a webhook's event, a request."""
    due_at: Mapped[datetime]
    """When a workflow should be started for it, again if need be."""


class StoredAttachment(Table):
    """A file that somebody has sent, or that is to be fetched."""

    __tablename__ = "attachments"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """Under which its bytes are stored: random, so that nobody can guess it."""
    name: Mapped[str]
    content_type: Mapped[str]
    """As its bytes say."""
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None]
    state: Mapped[str]
    """A `domain.files.AttachmentState`."""
    error: Mapped[str | None]
    """Of one that is refused: why, in a sentence."""
    origin: Mapped[dict[str, Any] | None]
    """Of one that is to be fetched: a `domain.files.Origin`."""
    uploaded_by: Mapped[str | None]
    """A `Principal.key`: who may use and read it before it stands anywhere."""
    used: Mapped[bool] = mapped_column(default=False)
    """Whether it stands in a message."""
    created_at: Mapped[datetime]


class AttachmentUse(Table):
    """A message in which a file stands: who may read the message may have the file."""

    __tablename__ = "attachment_uses"

    attachment_id: Mapped[UUID] = mapped_column(ForeignKey("attachments.id"), primary_key=True)
    thread_id: Mapped[UUID] = mapped_column(ForeignKey("threads.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    visibility: Mapped[str]
