"""How many sockets there may be at one api process: for each customer, and from each address.

Staff and back ends are as many as the desk has. Customers are anybody, and so is a connection
over which nobody has said yet who they are: those of one address are counted together.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

from domain.errors import TooManyRequests
from domain.principals import Principal

_RETRY_AFTER = 10

Connection = TypeVar("Connection", bound=Hashable)


class Strangers(Generic[Connection]):
    """Connections over which nobody has said who they are, by their address."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._at: defaultdict[str, dict[Connection, None]] = defaultdict(dict)

    def add(self, address: str, connection: Connection) -> Connection | None:
        """Returns the oldest one of an address that has too many: it has to go.

        To turn the newest away instead would keep our own people out while somebody at their
        address plays games.
        """
        here = self._at[address]
        here[connection] = None
        return next(iter(here)) if len(here) > self._per_address else None

    def remove(self, address: str, connection: Connection) -> None:
        """Harmless for one that is not there."""
        here = self._at[address]
        here.pop(connection, None)
        if not here:
            del self._at[address]

    def count(self, address: str) -> int:
        return len(self._at[address]) if address in self._at else 0


class Seats:
    """Those of customers, who have said who they are."""

    def __init__(self, per_customer: int, per_address: int) -> None:
        self._per_customer = per_customer
        self._per_address = per_address
        self._of: Counter[str] = Counter()
        self._at: Counter[str] = Counter()

    def take(self, principal: Principal, address: str, strangers: int) -> None:
        """`strangers` are at that address, the one who asks included. Raises TooManyRequests."""
        if not principal.is_customer:
            return
        if self._of[principal.key] >= self._per_customer:
            raise TooManyRequests(_RETRY_AFTER, "You have too many connections. Close some first.")
        if self._at[address] + strangers > self._per_address:
            raise TooManyRequests(_RETRY_AFTER, "There are too many connections from your address.")
        self._of[principal.key] += 1
        self._at[address] += 1

    def give_back(self, principal: Principal, address: str) -> None:
        if principal.is_customer:
            _less(self._of, principal.key)
            _less(self._at, address)


def _less(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]
