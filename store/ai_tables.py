"""What agents ask the assistant, and what it answered; named as in seed 002."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity
from sqlalchemy.orm import Mapped, mapped_column

from store.tables import Table


class AiInteraction(Table):
    """A question."""

    __tablename__ = "ai_interactions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("agents.id"))
    message: Mapped[str]
    page: Mapped[str | None]
    created_at: Mapped[datetime]


class AiResponse(Table):
    """A question with its answer."""

    __tablename__ = "ai_responses"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("agents.id"))
    user_message: Mapped[str]
    ai_response: Mapped[str]
    page: Mapped[str | None]
    created_at: Mapped[datetime]
