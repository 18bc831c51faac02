"""Where people's sockets are. What the logs tell of it is the matter of `store.attendance`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import Side
from store.tables import Presence

DEAD_AFTER = timedelta(seconds=3)
"""An api process that has said nothing for so long is dead, and nobody is at it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose sockets matter: an agent by id, a customer by UUID."""

    side: Side
    id: str

    @property
    def key(self) -> str:
        return f"{self.side.lower()}/{self.id}"

    @classmethod
    def of(cls, key: str) -> "Person":
        side, _, name = key.partition("/")
        return cls(Side(side.upper()), name)


async def is_here(session: AsyncSession, person: Person) -> bool:
    """Whether a socket of theirs is open anywhere."""
    query = select(Presence.person).where(Presence.person == person.key, Presence.gone_at.is_(None))
    return await session.scalar(query.limit(1)) is not None


async def take_turns(session: AsyncSession, people: Iterable[Person]) -> None:
    """Until the transaction ends, nobody else writes of these people, here or in the logs.

    In one order for all, so that two who know the same people never wait for each other.
    """
    for person in sorted(people, key=lambda person: person.key):
        await session.execute(_TURN, {"person": person.key})


_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:person, 3))")
