"""Whether what was said stands everywhere, once and in order."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from bridge.account import Account
from bridge.stream import Stream
from tests.bridge.prosody import Prosody
from tests.e2e.stack import Stack
from tests.e2e.xmpp_chaos.accounts import Archive, Log, auditor, difference, unsent
from tests.e2e.xmpp_chaos.traffic import Person


@dataclass(frozen=True)
class Truth:
    """What the server had taken from each person by the time when all of them had gone."""

    taken: dict[str, list[str]]

    @classmethod
    async def of(cls, prosody: Prosody, support: Account, people: list[Person]) -> "Truth":
        async with Stream.open(auditor(support, prosody.port)) as stream:
            return cls(
                {
                    person.name: (await Archive.of(stream, person.account.bare_jid)).got
                    for person in people
                }
            )

    @property
    def count(self) -> int:
        return sum(len(each) for each in self.taken.values())

    async def complaints(self, stack: Stack, people: list[Person], support: Account) -> list[str]:
        """What does not hold yet; nothing when all is well."""
        found: list[str] = []
        async with stack.database() as database, AsyncExitStack() as streams:
            if waiting := await unsent(database):
                return [f"replies not sent: {waiting}"]
            for person in people:
                log = await Log.of(database, person.account.bare_jid)
                stream = await streams.enter_async_context(
                    Stream.open(auditor(person.account, person.account.port))
                )
                archive = await Archive.of(stream, support.bare_jid)
                for what, wanted, there in (
                    ("log of what is said", self.taken[person.name], log.heard),
                    ("log of replies", person.answers, log.replied),
                    ("person's archive", log.replied, archive.got),
                ):
                    if words := difference(wanted, there):
                        found.append(f"{person.name}, {what}: {words}")
        return found
