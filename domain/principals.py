"""Who is calling, as established from a token and nothing else."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    CUSTOMER = "customer"
    VISITOR = "visitor"
    """A customer of the live chat, known by the token that their session gave them."""
    AGENT = "agent"
    ADMIN = "admin"
    SERVICE = "service"


class Scope(StrEnum):
    TICKETS = "tickets"
    XMPP = "xmpp"
    HANDOFF = "handoff"
    ADMIN = "admin"


_KEY_PREFIXES = {Role.SERVICE: "key", Role.VISITOR: "visitor"}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: a person with a JWT, or a back end with a service key.

    `id` is the token's `sub`, or the key's id. Two principals are the same caller if and only
    if `role`-independent `key` is equal: rate limits and Idempotency-Keys are counted by it.
    """

    role: Role
    id: str
    name: str = ""
    email: str = ""
    scopes: frozenset[Scope] = field(default_factory=frozenset)

    @property
    def key(self) -> str:
        return f"{_KEY_PREFIXES.get(self.role, 'user')}:{self.id}"

    @property
    def is_customer(self) -> bool:
        return self.role in (Role.CUSTOMER, Role.VISITOR)

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN or Scope.ADMIN in self.scopes

    @property
    def is_staff(self) -> bool:
        return self.role in (Role.AGENT, Role.ADMIN)

    @property
    def acts_for_others(self) -> bool:
        """Service keys and admins may say who wrote a message and which agent acts."""
        return self.role in (Role.ADMIN, Role.SERVICE)

    def has(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes
