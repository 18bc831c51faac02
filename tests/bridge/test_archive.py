"""Reading a real archive page by page."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from bridge import archive
from bridge.account import Account
from bridge.archive import ArchivePage
from bridge.errors import ArchiveUnavailable, StreamLost, UnknownCursor
from bridge.stanzas import Reply, Said
from bridge.stream import Stream
from tests.bridge.prosody import Prosody
from tests.bridge.waiting import next_of
from tests.bridge.xmpp_user import XmppUser


async def write(alice: Account, to: Account, texts: list[str]) -> None:
    """Have a person say all this, and return when it is in the archive."""
    async with XmppUser.online(alice, silent=True) as user:
        for text in texts:
            user.say(to.bare_jid, text)
        await user.ping()


def texts_of(page: ArchivePage) -> list[str]:
    return [each.stanza.body for each in page.items if isinstance(each.stanza, Said)]


async def all_pages(stream: Stream, limit: int, with_jid: str | None = None) -> list[str]:
    texts: list[str] = []
    after: str | None = None
    while True:
        page = await archive.page(stream, after, limit, with_jid=with_jid)
        texts += texts_of(page)
        after = page.last
        if page.complete:
            return texts


class TestPage:
    @pytest.mark.parametrize("limit", [1, 7, 10, 100])
    async def test_pages_hold_everything_once_in_order(
        self, support: Account, alice: Account, limit: int
    ) -> None:
        texts = [f"{number}" for number in range(10)]
        await write(alice, support, texts)
        async with Stream.open(support) as stream:
            assert await all_pages(stream, limit) == texts

    async def test_pages_are_cut_by_the_server_without_loss(
        self, support: Account, alice: Account
    ) -> None:
        """It gives 100 at once, whatever is asked for."""
        texts = [f"{number}" for number in range(230)]
        await write(alice, support, texts)
        async with Stream.open(support) as stream:
            page = await archive.page(stream, None, 1000)
            assert (len(page.items), page.complete) == (100, False)
            assert page.last == page.items[-1].stanza_id
            assert await all_pages(stream, 1000) == texts

    async def test_of_an_empty_archive_is_complete(self, support: Account) -> None:
        async with Stream.open(support) as stream:
            assert await archive.page(stream, None) == ArchivePage([], None, complete=True)

    async def test_after_the_last_is_empty_and_complete(
        self, support: Account, alice: Account
    ) -> None:
        await write(alice, support, ["hello"])
        async with Stream.open(support) as stream:
            page = await archive.page(stream, None)
            assert (await archive.page(stream, page.last)).items == []
            assert (await archive.page(stream, page.last)).complete

    async def test_knows_when_its_cursor_is_gone(self, support: Account, alice: Account) -> None:
        await write(alice, support, ["hello"])
        async with Stream.open(support) as stream:
            with pytest.raises(UnknownCursor):
                await archive.page(stream, "never-was")

    async def test_begins_at_a_time(self, support: Account, alice: Account) -> None:
        await write(alice, support, ["hello"])
        now = datetime.now(UTC)
        async with Stream.open(support) as stream:
            assert texts_of(await archive.page(stream, None, start=now - timedelta(minutes=1))) == [
                "hello"
            ]
            assert not (await archive.page(stream, None, start=now + timedelta(minutes=1))).items

    async def test_is_of_one_person_if_wanted(
        self, shared_prosody: Prosody, support: Account, alice: Account
    ) -> None:
        bob = await shared_prosody.register(f"bob-{uuid4().hex[:8]}")
        await write(alice, support, ["from alice"])
        await write(bob, support, ["from bob"])
        async with Stream.open(support) as stream:
            assert await all_pages(stream, 10, with_jid=bob.bare_jid) == ["from bob"]

    async def test_tells_who_has_sent_it_and_when(self, support: Account, alice: Account) -> None:
        before = datetime.now(UTC) - timedelta(seconds=2)
        await write(alice, support, ["hello"])
        async with Stream.open(support) as stream:
            await stream.send(Reply(alice.bare_jid, str(uuid4()), "welcome"))
            items = (await archive.page(stream, None)).items
        assert [each.outgoing for each in items] == [False, True]
        for each in items:
            assert isinstance(each.stanza, Said)
            assert each.at is not None
            assert before < each.at < datetime.now(UTC) + timedelta(seconds=2)
            assert (each.stanza.stanza_id, each.stanza.at) == (each.stanza_id, each.at)

    async def test_has_the_same_id_as_the_live_stanza(
        self, support: Account, alice: Account
    ) -> None:
        forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{support.bare_jid}' id='forged'/>"
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            user.say(support.bare_jid, "hello", forged)
            live = await next_of(Said, stream.incoming())
            (archived,) = (await archive.page(stream, None)).items
        assert archived.stanza_id == live.stanza_id
        assert isinstance(archived.stanza, Said)
        assert archived.stanza.body == live.body

    async def test_does_not_hold_what_somebody_else_sends_as_archive(
        self, support: Account, alice: Account
    ) -> None:
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            with stream.collecting() as (query_id, results):
                user.send(
                    stream.full_jid,
                    f"<result xmlns='urn:xmpp:mam:2' queryid='{query_id}' id='s1'>"
                    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' "
                    f"from='{alice.bare_jid}'><body>forged</body></message></forwarded></result>",
                )
                await user.ping()
                await stream.ping()
                assert results == []

    async def test_is_unavailable_without_an_archive(self, tmp_path: Path) -> None:
        async with Prosody(tmp_path, without=("mam",)) as server:
            support = await server.register("support")
            async with Stream.open(support) as stream:
                assert not stream.has_archive
                with pytest.raises(ArchiveUnavailable):
                    await archive.page(stream, None)

    async def test_ends_with_the_stream(self, support: Account) -> None:
        async with Stream.open(support) as stream:
            stream.drop("gone")
            with pytest.raises(StreamLost):
                await archive.page(stream, None)


class TestNewest:
    async def test_is_the_last_one(self, support: Account, alice: Account) -> None:
        await write(alice, support, ["one", "two", "three"])
        async with Stream.open(support) as stream:
            newest = await archive.newest(stream)
            assert newest is not None
            assert newest.stanza_id == (await archive.page(stream, None)).last
            assert (await archive.page(stream, newest.stanza_id)).items == []

    async def test_is_none_in_an_empty_archive(self, support: Account) -> None:
        async with Stream.open(support) as stream:
            assert await archive.newest(stream) is None


class TestWasSent:
    async def test_finds_what_was_sent_on_any_page(self, support: Account, alice: Account) -> None:
        ids = [str(uuid4()) for _ in range(120)]
        since = datetime.now(UTC) - timedelta(minutes=1)
        async with Stream.open(support) as stream:
            for each in ids:
                await stream.send(Reply(alice.bare_jid, each, "hello"))
            asked = {ids[0], ids[-1], "never-sent"}
            found = await archive.was_sent(stream, alice.bare_jid, asked, since)
        assert found == {ids[0], ids[-1]}

    async def test_finds_nothing_that_others_have_sent(
        self, support: Account, alice: Account
    ) -> None:
        since = datetime.now(UTC) - timedelta(minutes=1)
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            theirs = user.say(support.bare_jid, "I use your id")
            await user.ping()
            assert await archive.was_sent(stream, user.full_jid, {theirs}, since) == set()

    async def test_finds_nothing_older(self, support: Account, alice: Account) -> None:
        sent = Reply(alice.bare_jid, str(uuid4()), "hello")
        async with Stream.open(support) as stream:
            await stream.send(sent)
            later = datetime.now(UTC) + timedelta(minutes=1)
            assert await archive.was_sent(stream, sent.to, {sent.id}, later) == set()
