"""Support as people reach it over XMPP: a server of its own, the bridge, and who writes to it.

Runs only while its figures are measured, so that neither weighs on any other.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

from bench.client.correspondent import Correspondent
from bench.errors import CannotMeasure, UnexpectedAnswer
from bench.house import House
from bench.rig import Rig
from bench.timing import side_by_side
from bridge.account import Account
from holdfast.processes import Command
from holdfast.programs import Program
from tests.bridge.prosody import INSTALLED, Prosody

_NEEDED = (
    "needs the XMPP server Prosody: install it with `apt-get install prosody`, or have "
    "`tests/install` do it"
)
_GREETING = "Good morning, I have a question."
_SAY_AGAIN = 0.25


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has written to support, which has opened the ticket."""

    client: Correspondent
    ticket_id: str


class Support:
    """The bridge's account, beside which the server has others."""

    def __init__(self, rig: Rig, server: Prosody, jid: str, online: AsyncExitStack) -> None:
        self.jid = jid
        self._rig = rig
        self._server = server
        self._online = online

    async def people(self, number: int) -> list[Person]:
        """So many, each with a ticket whose workflow has handled it. To be called once."""
        clients: list[Correspondent] = []

        async def begin(which: int) -> None:
            client = await self.come_online(f"person-{which}", receipts=True)
            client.say(self.jid, _GREETING)
            await client.until_receipted()
            clients.append(client)

        await side_by_side(self._rig.sizes.callers, number, begin)
        await self._rig.desk.until_handled()
        return [Person(client, await self._ticket_of(client)) for client in clients]

    async def come_online(self, name: str, *, receipts: bool = False) -> Correspondent:
        """One more client of the server, until the end."""
        account = await self._server.register(name)
        return await self._online.enter_async_context(
            Correspondent.online(account, receipts=receipts)
        )

    async def _ticket_of(self, client: Correspondent) -> str:
        path = f"/api/v1/xmpp/tickets?jid={quote(client.bare_jid)}"
        tickets = (await self._rig.desk.http.get(path)).json()
        if not tickets:
            raise UnexpectedAnswer(f"{client.bare_jid} has written and has no ticket")
        ticket_id: str = tickets[0]["id"]
        return ticket_id


def require_prosody() -> None:
    """Raises CannotMeasure, which says how to install it."""
    if not INSTALLED:
        raise CannotMeasure(_NEEDED)


@asynccontextmanager
async def open_support(rig: Rig) -> AsyncIterator[Support]:
    """Start server and bridge, and stop them when the block ends and all replies are out.

    Raises CannotMeasure where the server is not installed.
    """
    require_prosody()
    folder = rig.house.folder / "prosody"
    # The next one goes on with its data: the bridge remembers how far it has read the archive.
    folder.mkdir(exist_ok=True)
    async with Prosody(folder) as server, AsyncExitStack() as online:
        account = await server.register("support")
        support = Support(rig, server, account.bare_jid, online)
        probe = await support.come_online("probe", receipts=True)
        async with _bridge(rig.house, account, probe):
            yield support
            await rig.desk.until_handled()
            # Its workflow would go on trying to send what is left behind.
            await rig.desk.until_sent()


def _bridge(house: House, account: Account, probe: Correspondent) -> Program:
    """Ready when the probe has a receipt for what it has said."""

    async def ready() -> bool:
        # What is said before the bridge has looked for the first time is not for it: say it again.
        probe.say(account.bare_jid, _GREETING)
        await asyncio.sleep(_SAY_AGAIN)
        return probe.was_receipted

    username, _, server = account.bare_jid.partition("@")
    command = Command(
        name="bridge",
        argv=[sys.executable, "-m", "holdfast", "bridge"],
        environment=house.environment()
        | {
            "XMPP_USERNAME": username,
            "XMPP_SERVER": server,
            "XMPP_PASSWORD": account.password.get_secret_value(),
            "XMPP_HOST": account.host,
            "XMPP_PORT": str(account.port),
            "XMPP_TLS": account.tls,
        },
        output=house.folder / "bridge.log",
    )
    return Program(command, ready)
