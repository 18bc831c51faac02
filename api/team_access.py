"""Seed 002: who may call team chat and the assistant, and in which words they are refused."""

from api.access import allow
from api.errors import Words
from domain.errors import NotAuthenticated, TokenMissing
from domain.principals import Role

PLAIN = Words(
    plain=True,
    own={
        TokenMissing: (401, "Access token required"),
        NotAuthenticated: (403, "Invalid token"),
    },
)
"""`{"error": …}` throughout. A token that is no good is 403 here, and 401 in all other families."""

STAFF = allow(Role.AGENT, Role.ADMIN)
"""People, by tokens of their own: a back end has no colleagues."""
