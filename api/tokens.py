"""What tokens say: their header before any trust, their claims once the signature holds."""

import base64
import time
from typing import Annotated, Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import from_json

from domain.errors import NotAuthenticated
from domain.principals import Principal, Role
from domain.text import EmailText, IdText, ShortText

LONGEST_TOKEN = 8 * 1024
"""Characters. Real tokens with many groups reach about half of it."""

_Optional = BeforeValidator(lambda claim: "" if claim is None else claim)


class Subject(BaseModel):
    """Who a token speaks for, in text that the database can keep."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore")

    id: IdText = Field(validation_alias=AliasChoices("sub", "userId"))
    name: Annotated[ShortText, _Optional] = ""
    email: Annotated[EmailText, _Optional] = ""


class _OwnClaims(Subject):
    role: Role


def unverified_header(token: str) -> dict[str, Any]:
    """Read a JWT's header, to learn which key to try. Raises NotAuthenticated."""
    encoded = token.partition(".")[0]
    try:
        padded = encoded.encode("ascii") + b"=" * (-len(encoded) % 4)
        header = from_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:
        raise NotAuthenticated from None
    if not isinstance(header, dict):
        raise NotAuthenticated
    return header


def verified_claims(
    token: str,
    key: str | RSAPublicKey,
    algorithm: Literal["HS256", "RS256"],
    issuer: str | None = None,
    leeway: float = 0,
) -> dict[str, Any]:
    """Check the signature, `exp` (required) and `nbf`. Raises NotAuthenticated."""
    options: Any = {"require": ["exp"], "verify_aud": False, "verify_sub": False}
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[algorithm], options=options, issuer=issuer, leeway=leeway
        )
    except (jwt.PyJWTError, ValueError, ArithmeticError, RecursionError):
        raise NotAuthenticated from None
    return claims


def seconds_left(token: str) -> float:
    """How long a token is still good that was verified already."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return max(0.0, float(claims["exp"]) - time.time())


def own_principal(token: str, secret: str) -> Principal:
    """Verify a JWT signed with `JWT_SECRET`. Raises NotAuthenticated.

    `sub` (or `userId`, as seed 002 writes it; a number is taken as its digits) and `role` are
    required. Scopes belong to service keys, never to a JWT.
    """
    claims = verified_claims(token, secret, "HS256")
    try:
        subject = _OwnClaims.model_validate(claims)
    except ValidationError:
        raise NotAuthenticated from None
    if subject.role in (Role.SERVICE, Role.VISITOR):
        raise NotAuthenticated
    return Principal(subject.role, subject.id, subject.name, subject.email)
