"""What the clients of many people say of themselves, within bounds: anybody can make up as many
clients as they like."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from store.xmpp import MOST_CLIENTS

Told = TypeVar("Told")


class Clients(Generic[Told]):
    """By bare JID and resource. At most `most` in all, of one JID the first `MOST_CLIENTS`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._told: dict[str, dict[str, Told]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for jid, clients in self._told.items():
            for resource in clients:
                yield jid, resource

    def put(self, jid: str, resource: str, told: Told) -> bool:
        """Instead of what this client said before. False when there is no room for it."""
        clients = self._told.get(jid, {})
        is_new = resource not in clients
        if is_new and (self._number >= self._most or len(clients) >= MOST_CLIENTS):
            return False
        self._told.setdefault(jid, clients)[resource] = told
        self._number += is_new
        return True

    def get(self, jid: str, resource: str) -> Told | None:
        return self._told.get(jid, {}).get(resource)

    def pop(self, jid: str, resource: str) -> Told | None:
        told = self._told.get(jid, {}).pop(resource, None)
        self._number -= told is not None
        if not self._told.get(jid, True):
            del self._told[jid]
        return told

    def pop_all(self, jid: str) -> None:
        """Of this JID."""
        self._number -= len(self._told.pop(jid, {}))

    def clear(self) -> None:
        self._told.clear()
        self._number = 0
