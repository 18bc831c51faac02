"""From a token to the one who calls."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from api.config import ApiConfig
from api.oidc import OidcVerifier
from api.tokens import LONGEST_TOKEN, own_principal, seconds_left, unverified_header
from api.visitors import VISITOR_TYPE, VisitorTokens
from domain.errors import NotAuthenticated
from domain.principals import Principal, Role
from store import agents, keys
from store.database import Database

_KEY_REMEMBERED = 10.0
"""Seconds that a revoked key may live on where the database's notification got lost."""
_AGENT_REMEMBERED = 60.0
"""Seconds; how old `last_seen_at` can be for an agent who calls all the time."""
_TOKEN_REMEMBERED = 60.0
"""Seconds that a token of our own, once verified, is known by its text."""
_MOST_REMEMBERED = 10_000


class Authenticator:
    """Verifies service keys, our own JWTs and OIDC tokens, for HTTP and sockets alike."""

    def __init__(self, config: ApiConfig, database: Database) -> None:
        self._secret = config.jwt_secret.get_secret_value()
        self.visitors = VisitorTokens(self._secret, config.visitor_token_expires_in)
        self._oidc = OidcVerifier(config.oidc) if config.oidc else None
        self._verified: _Recent[str] = _Recent(_TOKEN_REMEMBERED)
        self._keys = _KnownKeys(database)
        self._agents = _KnownAgents(database)

    async def identify(self, token: str) -> Principal:
        """Say who calls. An agent who calls for the first time exists from then on.

        Raises NotAuthenticated, InsufficientPermissions for an OIDC token without a known
        group, and Unavailable when the database or the issuer is needed and down.
        """
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise NotAuthenticated
        principal = await self._verify(token)
        if principal.is_staff:
            await self._agents.note(principal)
        return principal

    def forget_keys(self) -> None:
        """Look up every service key again: some were made or revoked."""
        self._keys.forget()

    async def _verify(self, token: str) -> Principal:
        if token.startswith(keys.PREFIX):
            return await self._keys.principal(token)
        known = self._verified.get(token)
        if known is not None:
            return known
        # The algorithm and the type choose the verifier, and each verifier has one algorithm and
        # keys of its own: a public key can never end up as an HS256 secret.
        header = unverified_header(token)
        match header.get("alg"):
            case "HS256" if header.get("typ") == VISITOR_TYPE:
                return self._remember(token, self.visitors.principal(token))
            case "HS256":
                return self._remember(token, own_principal(token, self._secret))
            case "RS256" if self._oidc is not None:
                return await self._oidc.principal(token)
        raise NotAuthenticated

    def _remember(self, token: str, principal: Principal) -> Principal:
        """Until it expires, at most: to verify a token takes a tenth of a request."""
        expires_in = seconds_left(token)
        self._verified.put(token, principal, seconds=min(_TOKEN_REMEMBERED, expires_in))
        return principal


def bearer_token(authorization: str) -> str | None:
    """The token of an `Authorization` header; None when it is of another scheme."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


Name = TypeVar("Name", bound=Hashable)


class _Recent(Generic[Name]):
    """Principals that were looked up within the last `seconds`, so many as memory may hold."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: OrderedDict[Name, tuple[Principal, float]] = OrderedDict()

    def get(self, name: Name) -> Principal | None:
        principal, until = self._entries.get(name, (None, 0.0))
        return principal if time.monotonic() < until else None

    def put(self, name: Name, principal: Principal, seconds: float | None = None) -> None:
        until = time.monotonic() + (self._seconds if seconds is None else seconds)
        self._entries[name] = (principal, until)
        self._entries.move_to_end(name)
        if len(self._entries) > _MOST_REMEMBERED:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()


class _KnownKeys:
    """Unknown keys are not remembered: anybody can make those up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: _Recent[bytes] = _Recent(_KEY_REMEMBERED)
        self._generation = 0

    def forget(self) -> None:
        self._generation += 1
        self._recent.clear()

    async def principal(self, key: str) -> Principal:
        key_hash = keys.hash_of(key)
        return self._recent.get(key_hash) or await self._look_up(key_hash)

    async def _look_up(self, key_hash: bytes) -> Principal:
        generation = self._generation
        async with self._database.begin() as session:
            found = await keys.find(session, key_hash)
        if found is None:
            raise NotAuthenticated
        principal = Principal(Role.SERVICE, str(found.id), found.name, scopes=found.scopes)
        # What was read before a revocation must not be remembered after it.
        if generation == self._generation:
            self._recent.put(key_hash, principal)
        return principal


class _KnownAgents:
    """Agents whom the database knows as their token names them; most calls write nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: _Recent[str] = _Recent(_AGENT_REMEMBERED)

    async def note(self, agent: Principal) -> None:
        if self._recent.get(agent.id) == agent:
            return
        async with self._database.begin() as session:
            await agents.seen(session, agent.id, agent.name, agent.email)
        self._recent.put(agent.id, agent)
