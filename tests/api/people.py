"""Those who call in tests, and what they carry in `Authorization`."""

import time
from datetime import timedelta
from uuid import UUID, uuid4

import jwt

from api.visitors import VisitorTokens
from domain.principals import Role, Scope
from store import keys
from store.database import Database

SECRET = "a-secret-for-tests-that-is-long-enough"


def signed(**claims: object) -> str:
    """A JWT with these claims and an hour to live; a claim given as None is left out."""
    given = {"exp": int(time.time()) + 3600, **claims}
    return jwt.encode(
        {name: value for name, value in given.items() if value is not None}, SECRET, "HS256"
    )


def token(role: str, sub: object = None, **claims: object) -> str:
    """A JWT as an operator would sign it."""
    return signed(role=role, sub=sub or f"{role}-1", **claims)


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def as_(role: Role, sub: object = None, **claims: object) -> dict[str, str]:
    """A visitor's `sub` is a UUID."""
    if role is Role.VISITOR:
        return visitor(sub if isinstance(sub, UUID) else uuid4())
    return bearer(token(role.value, sub, **claims))


def visitor(visitor_id: UUID) -> dict[str, str]:
    return bearer(VisitorTokens(SECRET, timedelta(hours=1)).issue(visitor_id).token)


async def with_key(database: Database, *scopes: Scope) -> dict[str, str]:
    async with database.begin() as session:
        return bearer(await keys.create(session, "test", scopes))
