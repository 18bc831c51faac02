"""Service keys: only their SHA-256 is kept, the key itself is shown once."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import new_id
from domain.names import KEYS_CHANNEL
from domain.principals import Scope
from store.tables import ServiceKey

PREFIX = "sk_"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be told of a key."""

    id: UUID
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None


def hash_of(key: str) -> bytes:
    """SHA-256 will do: a key is 256 random bits, so there is nothing to guess."""
    return hashlib.sha256(key.encode()).digest()


async def create(session: AsyncSession, name: str, scopes: Collection[Scope]) -> str:
    """Make a key and return it, `sk_…`. It cannot be read again."""
    key = PREFIX + secrets.token_urlsafe(32)
    await session.execute(
        insert(ServiceKey).values(
            id=new_id(),
            name=name,
            key_hash=hash_of(key),
            scopes=sorted(scope.value for scope in scopes),
            created_at=datetime.now(UTC),
        )
    )
    await _notify(session)
    return key


async def list_all(session: AsyncSession) -> list[KeyInfo]:
    """Every key there ever was, newest first."""
    found = await session.scalars(select(ServiceKey).order_by(ServiceKey.created_at.desc()))
    return [_info(row) for row in found]


async def revoke(session: AsyncSession, key_id: UUID) -> bool:
    """End a key for good. False when there is none, or it was revoked before."""
    revoked = await session.scalar(
        update(ServiceKey)
        .where(ServiceKey.id == key_id, ServiceKey.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
        .returning(ServiceKey.id)
    )
    if revoked is None:
        return False
    await _notify(session)
    return True


async def find(session: AsyncSession, key_hash: bytes) -> KeyInfo | None:
    """The key with this hash, unless it is unknown or revoked."""
    row = await session.scalar(
        select(ServiceKey).where(ServiceKey.key_hash == key_hash, ServiceKey.revoked_at.is_(None))
    )
    return None if row is None else _info(row)


async def _notify(session: AsyncSession) -> None:
    """Have every API process forget what it knows of keys, when this transaction commits."""
    await session.execute(select(func.pg_notify(KEYS_CHANNEL, "")))


def _info(row: ServiceKey) -> KeyInfo:
    known = {scope.value for scope in Scope}
    return KeyInfo(
        id=row.id,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes if scope in known),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
