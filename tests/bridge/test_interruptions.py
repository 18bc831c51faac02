"""What is lost on the way is found again, and what is not lost is not doubled: by a real server,
through a wire that breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from xml.etree.ElementTree import Element

import pytest
import pytest_asyncio
from sqlalchemy import text

from bridge import xmlns
from bridge.account import Account
from bridge.stream import Stream
from channels.outlet import NotNow
from store.database import Database
from tests.bridge.prosody import Prosody
from tests.bridge.replying import attempt, open_ticket, reply, send
from tests.bridge.waiting import until
from tests.bridge.wire import Wire
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser

_FORGET_PLACE = text("UPDATE xmpp_accounts SET archived_id = NULL")


@pytest_asyncio.fixture
async def wire(shared_prosody: Prosody) -> AsyncIterator[Wire]:
    async with Wire.to(shared_prosody.port) as wire:
        yield wire


@pytest.fixture
def desk(database: Database, support: Account, wire: Wire) -> Desk:
    return Desk(database, replace(support, port=wire.port))


async def archived(desk: Desk, person: XmppUser) -> list[str]:
    """The words that the person's own archive has of the conversation."""
    kept = await person.archive(desk.account.bare_jid)
    return [str(each["body"]) for each in kept if each["body"]]


async def lose(desk: Desk, wire: Wire, sending: "asyncio.Task[None]") -> None:
    """Cut the line while something is being sent, and wait until the bridge is back."""
    wire.cut()
    with pytest.raises(NotNow):
        await sending
    wire.thaw()
    await until(lambda: desk.outlet.is_connected)


class TestReply:
    async def test_whose_acknowledgement_was_lost_is_not_sent_again(
        self, desk: Desk, alice: Account, wire: Wire
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            outgoing = await reply(desk, await open_ticket(desk, person))
            stream = desk.outlet._stream
            assert isinstance(stream, Stream)
            stream._client.del_event_handler("stanza_acked", stream._acknowledged)
            sending = asyncio.create_task(send(desk, outgoing))
            await until(lambda: person.texts == ["a reply"])
            assert not sending.done()
            await lose(desk, wire, sending)
            await send(desk, await attempt(desk, outgoing.thread_id))
            assert await archived(desk, person) == ["hello", "a reply"]

    async def test_that_was_lost_itself_is_sent_again(
        self, desk: Desk, alice: Account, wire: Wire
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            outgoing = await reply(desk, await open_ticket(desk, person))
            wire.freeze()
            sending = asyncio.create_task(send(desk, outgoing))
            stream = desk.outlet._stream
            assert isinstance(stream, Stream)
            await until(lambda: stream._unacknowledged)
            await lose(desk, wire, sending)
            await send(desk, await attempt(desk, outgoing.thread_id))
            await until(lambda: person.texts == ["a reply"])
            assert await archived(desk, person) == ["hello", "a reply"]


class TestWords:
    async def test_said_while_the_line_was_cut_come_in_order(
        self, desk: Desk, alice: Account, wire: Wire
    ) -> None:
        texts = [f"message {number}" for number in range(60)]
        async with desk.working(), XmppUser.online(alice) as person:
            for number, each in enumerate(texts):
                person.say(desk.account.bare_jid, each)
                if number % 20 == 10:
                    wire.cut()
                await person.ping()
            await desk.until_said(*texts)

    async def test_said_to_a_frozen_line_come_in_order(
        self, desk: Desk, alice: Account, wire: Wire
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(desk.account.bare_jid, "before")
            await desk.until_said("before")
            wire.freeze()
            person.say(desk.account.bare_jid, "meanwhile")
            await person.ping()
            wire.cut()
            wire.thaw()
            person.say(desk.account.bare_jid, "after")
            await desk.until_said("before", "meanwhile", "after")


class TestIds:
    async def test_forged_one_takes_nobody_s_place(self, desk: Desk, alice: Account) -> None:
        forged = f"<stanza-id xmlns='{xmlns.STANZA_IDS}' by='{desk.account.bare_jid}' id='1'/>"
        async with desk.working(), XmppUser.online(alice) as person:
            for each in ("one", "two"):
                person.say(desk.account.bare_jid, each, forged)
            await desk.until_said("one", "two")
        # Live and from the archive it is the same message.
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(desk.account.bare_jid, "three", forged)
            await desk.until_said("one", "two", "three")

    async def test_message_without_one_is_asked_of_the_archive(
        self, desk: Desk, alice: Account
    ) -> None:
        desk.bridge._opens = lambda: _without_ids(desk.account)
        texts = [f"message {number}" for number in range(10)]
        async with desk.working(), XmppUser.online(alice) as person:
            for each in texts:
                person.say(desk.account.bare_jid, each)
            await desk.until_said(*texts)


@asynccontextmanager
async def _without_ids(account: Account) -> AsyncIterator[Stream]:
    """A stream from a server that names messages in its archive alone, as some do."""
    async with Stream.open(account) as stream:
        receive = stream._receive

        def receive_without(stanza: Element) -> None:
            for each in stanza.findall(f"{{{xmlns.STANZA_IDS}}}stanza-id"):
                stanza.remove(each)
            receive(stanza)

        stream._receive = receive_without  # type: ignore[method-assign]
        yield stream


async def test_archive_that_was_wiped_is_read_from_its_new_beginning(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("prosody")
    async with Prosody(folder) as prosody:
        support, alice = await prosody.register("support"), await prosody.register("alice")
        desk = Desk(database, support)
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "before")
            await desk.until_said("before")
        await prosody.stop()
        rmtree(folder / "data" / "localhost" / "archive")
        await prosody.start()
        async with XmppUser.online(alice) as person:
            person.say(support.bare_jid, "meanwhile")
            await person.ping()
            async with desk.working():
                person.say(support.bare_jid, "after")
                await desk.until_said("before", "meanwhile", "after")


async def test_endless_message_is_answered_and_holds_nobody_up(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By a server that lets it pass."""
    folder = tmp_path_factory.mktemp("prosody")
    async with Prosody(folder, largest_stanza=4 * 1024 * 1024) as prosody:
        support, alice = await prosody.register("support"), await prosody.register("alice")
        desk = Desk(database, support)
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "x" * 1024 * 1024)
            person.say(support.bare_jid, "end")
            await desk.until_said("end")
            await until(lambda: person.texts)
        # Nor is it answered again when it comes from the archive.
        async with database.begin() as session:
            await session.execute(_FORGET_PLACE)
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "again")
            await desk.until_said("end", "again")
            told = [each for each in await archived(desk, person) if "too long" in each]
            assert len(told) == 1


class TestOwnAccount:
    async def test_hears_nothing_that_it_says_itself(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with (
            desk.working(),
            XmppUser.online(support, resource="elsewhere") as other,
            XmppUser.online(alice) as person,
        ):
            other.say(support.bare_jid, "a note to myself")
            other.say(alice.bare_jid, "from somewhere else")
            await until(lambda: person.texts == ["from somewhere else"])
            person.say(support.bare_jid, "end")
            await desk.until_said("end")
            assert len(await desk.tickets()) == 1
