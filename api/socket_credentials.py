"""The token that a client connects with, and how long it is good for."""

from collections.abc import Mapping

from api.auth import bearer_token
from api.socket_receiver import Handshake
from api.tokens import seconds_left
from domain.errors import NotAuthenticated
from domain.principals import Principal, Role


def token_in(handshake: Handshake) -> str:
    """Raises NotAuthenticated when there is none."""
    given = handshake.auth.get("token") if isinstance(handshake.auth, Mapping) else None
    token = given if isinstance(given, str) else bearer_token(handshake.authorization)
    if not token:
        raise NotAuthenticated
    return token


def expires_in(token: str, principal: Principal) -> float | None:
    """Seconds until a token that was verified ends; None for service keys, which do not."""
    if principal.role is Role.SERVICE:
        return None
    return seconds_left(token)
