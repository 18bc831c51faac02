"""What people say gets into the log once and in order, by a real server and a real database."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from bridge import archive_reader
from bridge.account import Account
from bridge.policy import Policy
from domain.models import Channel
from store import threads
from store.database import Database
from tests.bridge.prosody import Prosody
from tests.bridge.waiting import until
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser


@pytest.fixture
def desk(database: Database, support: Account) -> Desk:
    return Desk(database, support)


class TestTickets:
    async def test_first_message_opens_one_and_the_next_goes_into_it(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "I cannot log in")
            person.say(support.bare_jid, "It says no")
            await desk.until_said("I cannot log in", "It says no")
        (row,) = await desk.tickets()
        assert row.ticket.subject == "I cannot log in"
        assert row.ticket.channel == Channel.XMPP
        assert row.ticket.channel_identity == alice.bare_jid
        assert row.ticket.outlet == desk.outlet.name
        assert desk.nudged.threads

    async def test_two_devices_are_one_person(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with (
            desk.working(),
            XmppUser.online(alice, resource="phone") as phone,
            XmppUser.online(alice, resource="Desk") as computer,
        ):
            phone.say(support.bare_jid, "from the phone")
            await desk.until_said("from the phone")
            computer.say(support.bare_jid, "from the desk")
            await desk.until_said("from the phone", "from the desk")

    async def test_closed_one_is_followed_by_one_that_names_it(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "first")
            await desk.until_said("first")
            (first,) = await desk.tickets()
            async with desk.database.begin() as session:
                await threads.close(session, first.ticket.id)
                await session.execute(text("UPDATE tickets SET status = 'closed'"))
            person.say(support.bare_jid, "again")
            await desk.until_said("again", of=1)
        assert (await desk.tickets())[1].ticket.follow_up_of == first.ticket.id

    async def test_receipt_comes_when_it_is_in_the_log(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            await person.receipt(person.say(support.bare_jid, "hello"))
            assert await desk.texts() == ["hello"]


class TestArchive:
    async def test_what_was_said_while_nobody_listened_comes_in_order(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        texts = [f"message {number}" for number in range(150)]
        async with desk.working():
            pass
        async with XmppUser.online(alice) as person:
            for each in texts:
                person.say(support.bare_jid, each)
            await person.ping()
        async with desk.working():
            await desk.until_said(*texts)

    async def test_second_look_takes_nothing_twice(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "hello")
            await desk.until_said("hello")
        async with desk.database.begin() as session:
            await session.execute(text("UPDATE xmpp_accounts SET archived_id = NULL"))
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "again")
            await desk.until_said("hello", "again")

    async def test_account_that_was_never_read_begins_now(
        self, desk: Desk, support: Account, alice: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Prosody notes whole seconds.
        monkeypatch.setattr(archive_reader, "_FIRST_LOOK_BACK", timedelta(seconds=-2))
        async with XmppUser.online(alice) as person:
            person.say(support.bare_jid, "to whoever had it before")
            await person.ping()
            async with desk.working():
                person.say(support.bare_jid, "to us")
                await desk.until_said("to us")

    async def test_who_wrote_just_before_the_first_look_is_heard(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with XmppUser.online(alice) as person:
            person.say(support.bare_jid, "is this the desk?")
            await person.ping()
            async with desk.working():
                await desk.until_said("is this the desk?")

    async def test_lost_place_is_found_by_its_time(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "before")
            await desk.until_said("before")
        async with desk.database.begin() as session:
            await session.execute(
                text("UPDATE xmpp_accounts SET archived_id = :id"), {"id": str(uuid4())}
            )
        async with XmppUser.online(alice) as person:
            person.say(support.bare_jid, "after")
            await person.ping()
        async with desk.working():
            await desk.until_said("before", "after")

    async def test_server_that_is_started_again_loses_nothing(
        self, database: Database, prosody: Prosody
    ) -> None:
        support, alice = await prosody.register("support"), await prosody.register("alice")
        desk = Desk(database, support)
        async with desk.working():
            async with XmppUser.online(alice) as person:
                person.say(support.bare_jid, "before")
                await desk.until_said("before")
            await prosody.stop()
            await prosody.start()
            async with XmppUser.online(alice) as person:
                person.say(support.bare_jid, "after")
                await desk.until_said("before", "after")


class TestOddStanzas:
    """What comes of each is that the next ordinary message is the only one in the log, unless it
    says otherwise."""

    async def test_same_name_and_words_again_is_one_message(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            for _ in range(2):
                person.say(support.bare_jid, "hello", stanza_id="1")
            person.say(support.bare_jid, "end")
            await desk.until_said("hello", "end")

    async def test_same_name_and_other_words_are_two(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "hello", stanza_id="1")
            person.say(support.bare_jid, "something else", stanza_id="1")
            await desk.until_said("hello", "something else")

    async def test_endless_names_hold_nobody_up(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            for _ in range(2):
                person.say(support.bare_jid, "hello", stanza_id="x" * 60_000)
            person.say(support.bare_jid, "end")
            await desk.until_said("hello", "hello", "end")

    async def test_correction_names_what_it_corrects(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            first = person.say(support.bare_jid, "I cannot log on")
            replace = f"<replace xmlns='urn:xmpp:message-correct:0' id='{first}'/>"
            person.say(support.bare_jid, "I cannot log in", replace)
            await desk.until_said("I cannot log on", "I cannot log in")
        entries = await desk.said()
        assert entries[1].metadata["corrects"] == f"msg_{entries[0].id.hex}"

    async def test_files_are_kept_by_their_address(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        addresses = ("https://example.org/log.txt", "javascript:alert(1)")
        files = [f"<x xmlns='jabber:x:oob'><url>{each}</url></x>" for each in addresses]
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "see there", *files)
            await desk.until_said("see there")
        (entry,) = await desk.said()
        assert [each["url"] for each in entry.attachments] == [addresses[0]]

    async def test_long_one_becomes_several(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "a" * 16_000 + "b" * 10)
            await desk.until_said("a" * 16_000, "b" * 10)

    async def test_encrypted_one_is_answered_once_and_not_kept(
        self, desk: Desk, support: Account, alice: Account
    ) -> None:
        omemo = "<encrypted xmlns='eu.siacs.conversations.axolotl'><payload>x</payload></encrypted>"
        async with desk.working(), XmppUser.online(alice) as person:
            for _ in range(3):
                person.say(support.bare_jid, "I sent you an encrypted message", omemo)
            person.say(support.bare_jid, "hello")
            await desk.until_said("hello")
            await until(lambda: person.texts)
            assert len(person.texts) == 1
            assert "encrypt" in person.texts[0]

    @pytest.mark.parametrize("kind", ["groupchat", "headline", "error"])
    async def test_other_types_are_dropped(
        self, desk: Desk, support: Account, alice: Account, kind: str
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say_as(kind, support.bare_jid, "hello")
            person.say(support.bare_jid, "end")
            await desk.until_said("end")

    async def test_empty_one_is_dropped(self, desk: Desk, support: Account, alice: Account) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "")
            person.say(support.bare_jid, "end")
            await desk.until_said("end")

    @pytest.mark.parametrize("blocked", [True, False])
    async def test_domain_that_is_not_heard_gets_no_answer(
        self, database: Database, support: Account, alice: Account, blocked: bool
    ) -> None:
        policy = (
            Policy(support.bare_jid, blocked_domains={"localhost"})
            if blocked
            else Policy(support.bare_jid, allowed_domains={"example.org"})
        )
        desk = Desk(database, support, policy)
        async with desk.working(), XmppUser.online(alice) as person:
            person.say(support.bare_jid, "hello")
            await person.ping()
        # Nothing that came while it was connected is in the log, live or from the archive.
        async with desk.working():
            assert await desk.tickets() == []
            assert person.texts == []
