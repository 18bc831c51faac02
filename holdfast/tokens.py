"""User tokens from the command line, for scripts and for trying things out."""

import warnings
from datetime import UTC, datetime, timedelta

import jwt
import jwt.warnings

from domain.principals import Role


def issue_token(
    secret: str,
    *,
    role: Role,
    subject: str,
    valid_for: timedelta,
    name: str | None = None,
    email: str | None = None,
) -> str:
    """A JWT, signed with HS256, as the API takes it."""
    now = datetime.now(UTC)
    claims = {
        "sub": subject,
        "role": role.value,
        "name": name,
        "email": email,
        "iat": now,
        "exp": now + valid_for,
    }
    given = {claim: value for claim, value in claims.items() if value is not None}
    with warnings.catch_warnings():
        # The command line says it, once and in words.
        warnings.simplefilter("ignore", jwt.warnings.InsecureKeyLengthWarning)
        return jwt.encode(given, secret, algorithm="HS256")
