"""What cannot be stored for its own sake holds nobody up, by a real server and a real database."""

import pytest
from sqlalchemy import exc, text

from bridge.account import Account
from bridge.listener import Listener
from bridge.stanzas import Typing
from bridge.stream import Stream
from store.database import Database
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser

TYPING = Typing("alice@example.com/phone", composing=True)
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='r1'/>"
STORED = "<store xmlns='urn:xmpp:hints'/>"


@pytest.fixture
def desk(database: Database, support: Account) -> Desk:
    return Desk(database, support)


async def refuse(desk: Desk, table: str, what: str) -> None:
    """Have the database refuse rows of a table, as it would any that break its rules."""
    async with desk.database.begin() as session:
        await session.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT refused CHECK ({what})"))


async def lose_place(desk: Desk) -> None:
    async with desk.database.begin() as session:
        await session.execute(text("UPDATE xmpp_accounts SET archived_id = NULL"))


async def test_message_is_stepped_over_live_and_in_the_archive(desk: Desk, alice: Account) -> None:
    await refuse(desk, "messages", "content <> 'poison'")
    async with desk.working(), XmppUser.online(alice) as person:
        person.say(desk.account.bare_jid, "poison")
        person.say(desk.account.bare_jid, "and then")
        await desk.until_said("and then")
    await lose_place(desk)
    async with desk.working(), XmppUser.online(alice) as person:
        person.say(desk.account.bare_jid, "and again")
        await desk.until_said("and then", "and again")


class Fails:
    """Takes news in the place of News, after it was refused so often by the database."""

    def __init__(self, database: Database, code: str, times: int) -> None:
        self._database = database
        self._code = code
        self._times = times
        self.taken: list[object] = []

    async def take(self, news: object) -> None:
        if self._times:
            self._times -= 1
            async with self._database.begin() as session:
                raises = f"DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{self._code}'; END $$"
                await session.execute(text(raises))
        self.taken.append(news)


@pytest.mark.parametrize("code", ["21000", "22012", "22P05", "23514", "54000"])
async def test_what_fails_for_its_own_sake_is_stepped_over(desk: Desk, code: str) -> None:
    listener = Listener(desk.inbound, Fails(desk.database, code, 100))  # type: ignore[arg-type]
    await listener.note(TYPING)


@pytest.mark.parametrize("code", ["08006", "0A000", "40001", "53200", "57014", "P0001", "ZZ999"])
async def test_what_may_pass_is_not_stepped_over(desk: Desk, code: str) -> None:
    listener = Listener(desk.inbound, Fails(desk.database, code, 1))  # type: ignore[arg-type]
    with pytest.raises(exc.DBAPIError):
        await listener.note(TYPING)


async def test_what_clashed_is_tried_once_more(desk: Desk) -> None:
    news = Fails(desk.database, "23505", 1)
    await Listener(desk.inbound, news).note(TYPING)  # type: ignore[arg-type]
    assert news.taken == [TYPING]


async def test_message_that_was_not_taken_gets_no_receipt(desk: Desk, alice: Account) -> None:
    await refuse(desk, "messages", "content <> 'poison'")
    async with desk.working(), XmppUser.online(alice) as person:
        lost = person.say(desk.account.bare_jid, "poison")
        await person.receipt(person.say(desk.account.bare_jid, "and then"))
        assert lost not in {each["receipt"] for each in person.messages}


async def test_words_that_were_not_taken_are_not_logged(
    desk: Desk, alice: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    await refuse(desk, "messages", "content <> 'poison'")
    async with desk.working(), XmppUser.online(alice) as person:
        person.say(desk.account.bare_jid, "poison")
        person.say(desk.account.bare_jid, "and then")
        await desk.until_said("and then")
    logged = capsys.readouterr().out
    assert "message_not_taken" in logged
    assert "poison" not in logged


async def test_presence_costs_no_stream(desk: Desk, alice: Account) -> None:
    await refuse(desk, "xmpp_presences", "show <> 'dnd'")
    async with desk.working(), XmppUser.online(alice) as person:
        stream = desk.outlet._stream
        person.show("dnd", to=desk.account.bare_jid)
        person.say(desk.account.bare_jid, "hello")
        await desk.until_said("hello")
        # Presences are taken last.
        assert isinstance(stream, Stream)
        person.show(to=desk.account.bare_jid)
        person.say(desk.account.bare_jid, "still there?")
        await desk.until_said("hello", "still there?")
        assert desk.outlet._stream is stream


async def test_receipt_in_the_archive_is_stepped_over(
    desk: Desk, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk.working():
        pass
    async with XmppUser.online(alice) as person:
        person.send(desk.account.bare_jid, RECEIPT, STORED)
        person.say(desk.account.bare_jid, "hello")
        await person.ping()

    async def break_a_rule(*_: str) -> None:
        async with desk.database.begin() as session:
            await session.execute(text("SELECT 1 / 0"))

    monkeypatch.setattr(desk.news, "_received", break_a_rule)
    async with desk.working():
        await desk.until_said("hello")
