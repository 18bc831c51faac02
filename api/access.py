"""Who may call an endpoint: said by every route, and checked before its body is read.

    router = Routes(prefix="/api/tickets", tags=["Tickets"])

    @router.get("/", dependencies=[allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)])
    async def list_tickets(caller: Caller, services: ServicesDep) -> TicketPage: ...

Whose object it is, only the handler can tell: it answers 404 for other people's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope as ASGIScope

from api.call import call_of
from domain.errors import InsufficientPermissions, NotAuthenticated, TokenMissing
from domain.principals import Principal, Role, Scope

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="Bearer",
    description="A service key (`sk_…`), a JWT signed with `JWT_SECRET`, or an OIDC token.",
)


@dataclass(frozen=True)
class Members:
    """People with one of the roles, and service keys with one of the scopes."""

    roles: frozenset[Role]
    scopes: frozenset[Scope]

    def admits(self, principal: Principal) -> bool:
        if principal.role is Role.SERVICE:
            return any(principal.has(scope) for scope in self.scopes)
        return principal.role in self.roles

    async def __call__(
        self, _token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> None:
        """Nothing: the route has checked already. As a dependency it shows in OpenAPI."""


@dataclass(frozen=True)
class Anybody:
    """No token is asked for, and a bad one does not matter."""

    unlimited: bool = False
    """Never refused for calling too often, because an orchestrator acts on the answer, or because
    calls are counted after their signature holds."""

    async def __call__(self) -> None:
        """Nothing; see `Members`."""


Rule = Members | Anybody


def allow(*who: Role | Scope) -> Dependency:
    roles = frozenset(entry for entry in who if isinstance(entry, Role))
    scopes = frozenset(entry for entry in who if isinstance(entry, Scope))
    return Dependency(Members(roles, scopes))


def allow_anybody(*, unlimited: bool = False) -> Dependency:
    return Dependency(Anybody(unlimited))


def rule_among(dependencies: Iterable[Dependency]) -> Rule | None:
    """The one rule of a route; the last one said stands, so a route can narrow its router's."""
    rules = [entry.dependency for entry in dependencies]
    return next((rule for rule in reversed(rules) if isinstance(rule, Rule)), None)


def admit(scope: ASGIScope, rule: Rule) -> None:
    """Raise TooManyRequests, NotAuthenticated or InsufficientPermissions where they apply.

    A token that could not be checked, because the database is down, raises Unavailable.
    """
    call = call_of(scope)
    if isinstance(rule, Anybody):
        if not rule.unlimited:
            call.standing.require()
        return
    call.standing.require()
    if isinstance(call.identity, Exception):
        raise call.identity
    if call.identity is None:
        raise TokenMissing
    if not rule.admits(call.identity):
        raise InsufficientPermissions


async def _caller(request: Request) -> Principal:
    identity = call_of(request.scope).identity
    if not isinstance(identity, Principal):
        raise NotAuthenticated
    return identity


Caller = Annotated[Principal, Depends(_caller)]
"""Who calls; only for routes with `allow`."""
