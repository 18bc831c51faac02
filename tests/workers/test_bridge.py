"""Bridge processes that share an account, and that lose it, with everything real."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bridge.account import Account
from bridge.stream import Stream
from domain.files import reference
from domain.ids import attachment_id_text
from domain.models import AuthorKind, ThreadKind, ThreadRef
from holdfast.embedded.temporal import EmbeddedTemporal
from store import attachments, tickets
from store.blobs import Blobs, new_key
from store.database import Database
from store.threads import Draft
from tests.bridge import working
from tests.bridge.prosody import INSTALLED, Prosody
from tests.bridge.waiting import until
from tests.bridge.xmpp_user import XmppUser
from tests.store.writing import POLICY
from tests.workers.bridging import BridgeProcess
from tests.workflows.desk import Desk
from tests.workflows.policies import CHAT
from workers.threads import Policies, make_worker
from workflows.engine import Engine

pytestmark = [
    pytest.mark.skipif(not INSTALLED, reason="needs Prosody; tests/install brings it"),
    pytest.mark.timeout(120),
]


@pytest_asyncio.fixture
async def prosody(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prosody]:
    async with Prosody(tmp_path_factory.mktemp("prosody")) as server:
        yield server


@pytest_asyncio.fixture
async def support(prosody: Prosody) -> Account:
    return await prosody.register("support")


@pytest_asyncio.fixture
async def alice(prosody: Prosody) -> AsyncIterator[XmppUser]:
    async with XmppUser.online(await prosody.register("alice")) as person:
        yield person


@pytest.fixture
def log(database: Database, support: Account) -> working.Desk:
    """To read what people said; the processes do the work."""
    return working.Desk(database, support)


class Bridges:
    """Starts as many as a test wants."""

    def __init__(self, folder: Path, account: Account, **settings: str) -> None:
        self._folder = folder
        self._account = account
        self._settings = settings

    def one(self, name: str) -> AbstractContextManager[BridgeProcess]:
        return BridgeProcess.running(self._folder / name, self._account, **self._settings)


@pytest.fixture
def bridges(
    tmp_path: Path, support: Account, database_url: str, temporal_server: EmbeddedTemporal
) -> Bridges:
    return Bridges(
        tmp_path,
        support,
        DATABASE_URL=database_url,
        TEMPORAL_ADDRESS=temporal_server.address,
        ATTACHMENTS_URL=str(tmp_path / "attachments"),
    )


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """Where the processes look for files."""
    return Blobs.open(tmp_path / "attachments")


@pytest.fixture
async def desk(temporal_server: EmbeddedTemporal, database: Database) -> AsyncIterator[Desk]:
    """Agents, with the workflows of their tickets."""
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    async with make_worker(client, database, Policies(POLICY, CHAT)):
        yield Desk(database, Engine(client), POLICY)


async def keep(database: Database, blobs: Blobs, content: bytes) -> dict[str, Any]:
    """As it stands in a message's `attachments`."""
    async with database.begin() as session:
        file = await attachments.keep(
            session,
            key=new_key(),
            name="ü.png",
            content_type="image/png",
            size=len(content),
            sha256=sha256(content).digest(),
            uploaded_by=None,
        )
    await blobs.put(file.key, _at_once(content))
    return reference(attachment_id_text(file.id), file.name, file.content_type, file.size)


async def _at_once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def only_ticket(log: working.Desk) -> UUID:
    (row,) = await log.tickets()
    return row.ticket.id


async def test_second_takes_over_when_the_first_is_killed(
    bridges: Bridges, log: working.Desk, desk: Desk, alice: XmppUser
) -> None:
    to = log.account.bare_jid
    with bridges.one("first") as first:
        await first.until_said("bridge_connected")
        with bridges.one("second") as second:
            alice.say(to, "one")
            await log.until_said("one")
            await desk.write(await only_ticket(log), AuthorKind.AGENT, "answer one")
            await until(lambda: alice.texts == ["answer one"])
            assert not second.has_said("bridge_leads")
            first.kill()
            alice.say(to, "two")
            # The lease lasts for four seconds; the rest is the login.
            await second.until_said("bridge_connected", within=15)
            await log.until_said("one", "answer one", "two")
            await desk.write(await only_ticket(log), AuthorKind.AGENT, "answer two")
            await until(lambda: alice.texts == ["answer one", "answer two"])
            archive = [str(each["body"]) for each in await alice.archive(to) if each["body"]]
            assert archive == ["one", "answer one", "two", "answer two"]


async def test_reply_of_the_meantime_goes_out_once(
    bridges: Bridges, log: working.Desk, desk: Desk, alice: XmppUser
) -> None:
    answers = [f"answer {number}" for number in range(20)]
    with bridges.one("first") as first:
        await first.until_said("bridge_connected")
        alice.say(log.account.bare_jid, "hello")
        await log.until_said("hello")
        ticket_id = await only_ticket(log)
        with bridges.one("second"):
            for each in answers:
                await desk.write(ticket_id, AuthorKind.AGENT, each)
                if each == answers[10]:
                    await until(lambda: alice.texts)
                    first.kill()
            await until(lambda: len(alice.texts) >= len(answers), 40)
            assert alice.texts == answers


async def test_agent_s_file_arrives(
    bridges: Bridges, log: working.Desk, desk: Desk, alice: XmppUser, blobs: Blobs
) -> None:
    with bridges.one("only") as bridge:
        await bridge.until_said("bridge_connected")
        alice.say(log.account.bare_jid, "hello")
        await log.until_said("hello")
        ticket_id = await only_ticket(log)
        file = await keep(log.database, blobs, b"\x89PNG")
        async with log.database.begin() as session:
            row = await tickets.find(session, ticket_id, lock=True)
            draft = Draft(AuthorKind.AGENT, "Look", attachments=[file])
            await tickets.write(session, row, draft, POLICY)
        await desk.engine.nudge(ThreadRef(kind=ThreadKind.TICKET, id=ticket_id))
        await until(lambda: len(alice.texts) == 2)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(alice.texts[1])).content == b"\x89PNG"
    assert alice.texts[0] == "Look"


async def test_foreign_login_is_survived(
    bridges: Bridges, log: working.Desk, support: Account, alice: XmppUser
) -> None:
    """It steps back, and comes again when whoever it was has had their time."""
    with bridges.one("only") as bridge:
        await bridge.until_said("bridge_connected")
        async with Stream.open(support) as foreign:
            await bridge.until_said("account_is_used_elsewhere")
            alice.say(support.bare_jid, "meanwhile")
            await alice.ping()
            await foreign.ping()
        await bridge.until_said("bridge_connected", times=2)
        alice.say(support.bare_jid, "after")
        await log.until_said("meanwhile", "after")


async def test_told_to_end_it_hands_over(
    bridges: Bridges, log: working.Desk, alice: XmppUser
) -> None:
    with bridges.one("first") as first:
        await first.until_said("bridge_connected")
        with bridges.one("second") as second:
            first.end()
            await second.until_said("bridge_connected")
            alice.say(log.account.bare_jid, "hello")
            await log.until_said("hello")
