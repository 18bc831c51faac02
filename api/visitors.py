"""Visitor tokens: the secret by which somebody without an account comes back to their chat.

They are JWTs (RFC 7519) of a type of their own, signed with a key of its own that is derived from
`JWT_SECRET` (HKDF, RFC 5869). So none of them can pass for a user's token, nor the other way
round, and there is no second secret to be kept.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.tokens import verified_claims
from domain.errors import CustomerNotFound, NotAuthenticated
from domain.ids import customer_id_text, parse_customer_id
from domain.principals import Principal, Role

VISITOR_TYPE = "visitor+jwt"
"""The `typ` of their header."""


@dataclass(frozen=True, slots=True)
class VisitorToken:
    token: str
    expires_at: datetime


class VisitorTokens:
    def __init__(self, secret: str, expires_in: timedelta) -> None:
        derived = HKDF(SHA256(), length=32, salt=None, info=b"holdfast visitor tokens")
        self._key = derived.derive(secret.encode()).hex()
        self._expires_in = int(expires_in.total_seconds())

    def issue(self, visitor_id: UUID) -> VisitorToken:
        expires = int(time.time()) + self._expires_in
        claims = {"sub": customer_id_text(visitor_id), "exp": expires}
        token = jwt.encode(claims, self._key, "HS256", headers={"typ": VISITOR_TYPE})
        return VisitorToken(token, datetime.fromtimestamp(expires, UTC))

    def principal(self, token: str) -> Principal:
        """Whom a token names. Raises NotAuthenticated."""
        claims = verified_claims(token, self._key, "HS256")
        try:
            visitor_id = parse_customer_id(str(claims.get("sub")))
        except CustomerNotFound:
            raise NotAuthenticated from None
        return Principal(Role.VISITOR, customer_id_text(visitor_id))
