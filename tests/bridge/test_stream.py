"""One login of an account at a real server, and every way in which it can end."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from uuid import uuid4
from xml.etree.ElementTree import fromstring

import pytest
from pydantic import SecretStr

from bridge import connection
from bridge.account import Account
from bridge.errors import (
    LoginRefused,
    NoAnswer,
    ServerUnreachable,
    StanzaTooLarge,
    StreamConflict,
    StreamLost,
)
from bridge.stanzas import (
    Bounced,
    Displayed,
    File,
    Incoming,
    Missed,
    Outgoing,
    Presence,
    Received,
    Reply,
    Said,
    Seen,
    Typing,
    TypingNotice,
)
from bridge.stream import Stream
from holdfast.ports import free_port
from tests.bridge.prosody import DOMAIN, Prosody
from tests.bridge.waiting import next_of, until
from tests.bridge.wire import Wire
from tests.bridge.xmpp_user import XmppUser

BEAT = 0.3


def reply(to: str, body: str) -> Reply:
    return Reply(to, str(uuid4()), body)


class TestLogin:
    async def test_gets_the_resource_it_wants(self, support: Account) -> None:
        async with Stream.open(support) as stream:
            assert stream.full_jid == f"{support.bare_jid}/holdfast"
            assert stream.has_archive
            assert stream.has_acknowledgements

    async def test_is_refused_with_a_wrong_password(self, support: Account) -> None:
        wrong = replace(support, password=SecretStr("wrong"))
        with pytest.raises(LoginRefused, match="XMPP_PASSWORD"):
            async with Stream.open(wrong):
                pass

    async def test_is_refused_to_who_is_unknown(self, support: Account) -> None:
        with pytest.raises(LoginRefused, match="nobody@"):
            async with Stream.open(replace(support, bare_jid=f"nobody@{DOMAIN}")):
                pass

    async def test_finds_no_such_domain(self, support: Account) -> None:
        with pytest.raises(ServerUnreachable, match="host-unknown"):
            async with Stream.open(replace(support, bare_jid="support@elsewhere.example")):
                pass

    async def test_finds_nobody_at_the_port(self, support: Account) -> None:
        started = time.monotonic()
        with pytest.raises(ServerUnreachable, match="XMPP_PORT"):
            async with Stream.open(replace(support, port=free_port())):
                pass
        assert time.monotonic() - started < 5

    async def test_gives_up_on_a_server_that_says_nothing(
        self, shared_prosody: Prosody, support: Account
    ) -> None:
        async with Wire.to(shared_prosody.port) as wire:
            wire.freeze()
            with pytest.raises(ServerUnreachable, match="has not let us in within"):
                async with Stream.open(replace(support, port=wire.port), patience=0.5):
                    pass

    async def test_leaves_no_task_behind(self, support: Account) -> None:
        before = asyncio.all_tasks()
        async with Stream.open(support):
            pass
        with pytest.raises(LoginRefused):
            async with Stream.open(replace(support, password=SecretStr("wrong"))):
                pass
        await until(lambda: asyncio.all_tasks() == before)


class TestIncoming:
    async def test_comes_in_order(self, support: Account, alice: Account) -> None:
        texts = [f"{number}" for number in range(200)]
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            for text in texts:
                user.say(support.bare_jid, text)
            heard = await said(stream, len(texts))
        assert [each.body for each in heard] == texts
        assert len({each.stanza_id for each in heard if each.stanza_id}) == len(texts)

    async def test_is_not_misled_by_a_forged_stanza_id(
        self, support: Account, alice: Account
    ) -> None:
        forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{support.bare_jid}' id='forged'/>"
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            user.say(support.bare_jid, "believe me", forged)
            (heard,) = await said(stream, 1)
        assert heard.stanza_id not in (None, "forged")

    async def test_is_every_kind_of_stanza(self, support: Account, alice: Account) -> None:
        to = support.bare_jid
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            incoming = stream.incoming()
            user.send(to, "<composing xmlns='http://jabber.org/protocol/chatstates'/>")
            assert await next_of(Typing, incoming) == Typing(user.full_jid, composing=True)
            user.send(to, "<displayed xmlns='urn:xmpp:chat-markers:0' id='r1'/>")
            assert await next_of(Displayed, incoming) == Displayed(user.full_jid, "r1")
            user.send(to, "<x xmlns='jabber:x:oob'><url>https://example.com/a</url></x>")
            assert (await next_of(Said, incoming)).files == (File("https://example.com/a"),)
            user.show("away", to=stream.full_jid)
            assert await next_of(Seen, incoming) == Seen(user.full_jid, True, "away")

    async def test_is_a_bounce_for_who_does_not_exist(self, support: Account) -> None:
        async with Stream.open(support) as stream:
            stream.show_presence()
            lost = reply(f"nobody-{uuid4().hex}@{DOMAIN}", "hello?")
            await stream.send(lost)
            bounced = await next_of(Bounced, stream.incoming())
        assert (bounced.from_jid, bounced.id) == (lost.to, lost.id)
        assert bounced.condition == "service-unavailable"

    async def test_lets_people_see_that_support_is_there(
        self, support: Account, alice: Account
    ) -> None:
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence("Ask us")
            await stream.ping()
            user.subscribe(support.bare_jid)
            await until(lambda: "Ask us" in [str(each["status"]) for each in user.presences])

    async def test_shows_nothing_to_whom_we_do_not_hear(
        self, support: Account, alice: Account
    ) -> None:
        async with (
            Stream.open(support, hears=lambda jid: jid != alice.bare_jid) as stream,
            XmppUser.online(alice) as user,
        ):
            stream.show_presence("Ask us")
            await stream.ping()
            user.subscribe(support.bare_jid)
            user.say(support.bare_jid, "that came after it")
            await said(stream, 1)
            await stream.ping()
            await user.ping()
            ours = [each for each in user.presences if each["from"].bare == support.bare_jid]
            # The server says by itself that nobody is there to be seen.
            assert {str(each["type"]) for each in ours} <= {"unavailable"}

    async def test_of_who_asks_again_is_asked_back_once(
        self, support: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two that ask each other back would never cease."""
        asks = fromstring(
            "<presence xmlns='jabber:client' from='bob@example.org' type='subscribe'/>"
        )
        async with Stream.open(support) as stream:
            told: list[Outgoing] = []
            monkeypatch.setattr(stream, "send_soon", told.append)
            for _ in range(3):
                stream._receive(asks)
        kinds = [each.type for each in told if isinstance(each, Presence)]
        assert (kinds.count("subscribed"), kinds.count("subscribe")) == (3, 1)

    async def test_of_a_megabyte_comes_whole(self, tmp_path: Path) -> None:
        async with Prosody(tmp_path, largest_stanza=4 * 2**20) as server:
            support, alice = [await server.register(each) for each in ("support", "alice")]
            async with Stream.open(support) as stream, XmppUser.online(alice) as user:
                stream.show_presence()
                await stream.ping()
                user.say(support.bare_jid, "ä" * 2**19)
                (heard,) = await said(stream, 1)
        assert heard.body == "ä" * 2**19

    async def test_says_when_more_came_than_was_taken(
        self, support: Account, alice: Account
    ) -> None:
        """What is left out can be read in the archive, over the same stream."""
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            for number in range(1200):
                user.say(support.bare_jid, f"{number}")
            await user.ping()
            await stream.ping()
            heard = [each async for each in taken(stream, 1001)]
        assert isinstance(heard[-1], Missed)
        assert [each.body for each in heard if isinstance(each, Said)] == [
            f"{number}" for number in range(1000)
        ]


class TestOutgoing:
    async def test_returns_when_the_server_has_it(self, support: Account, alice: Account) -> None:
        async with Stream.open(support) as stream:
            await stream.send(reply(alice.bare_jid, "hello"))
        async with XmppUser.online(alice, silent=True) as user:
            assert [each["body"] for each in await user.archive(support.bare_jid)] == ["hello"]

    async def test_goes_out_in_order(self, support: Account, alice: Account) -> None:
        texts = [f"{number}" for number in range(100)]
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            await asyncio.gather(*(stream.send(reply(alice.bare_jid, text)) for text in texts))
            await until(lambda: len(user.texts) == len(texts))
            assert user.texts == texts

    async def test_is_acknowledged_by_who_got_it(self, support: Account, alice: Account) -> None:
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            sent = reply(alice.bare_jid, "hello")
            await stream.send(sent)
            assert await next_of(Received, stream.incoming()) == Received(user.full_jid, sent.id)

    async def test_acknowledges_only_what_it_is_told_to(
        self, support: Account, alice: Account
    ) -> None:
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            first, second = [user.say(support.bare_jid, text) for text in ("one", "two")]
            heard = await said(stream, 2)
            stream.acknowledge(heard[1])
            await user.receipt(second)
            assert first not in {each["receipt"] for each in user.messages}

    async def test_tells_that_somebody_writes(self, support: Account, alice: Account) -> None:
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.send_soon(TypingNotice(alice.bare_jid, composing=True))
            await until(lambda: user.messages)
            assert user.messages[0]["chat_state"] == "composing"

    async def test_that_is_too_large_costs_no_stream(
        self, support: Account, alice: Account
    ) -> None:
        async with Stream.open(support) as stream:
            with pytest.raises(StanzaTooLarge):
                await stream.send(reply(alice.bare_jid, "x" * 2**20))
            await stream.send(reply(alice.bare_jid, "short"))

    async def test_holds_any_character(self, support: Account, alice: Account) -> None:
        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            await stream.send(reply(alice.bare_jid, "a\x01b\U0001f600 <&>]]>"))
            await until(lambda: user.texts)
            assert user.texts == ["a\ufffdb\U0001f600 <&>]]>"]

    async def test_needs_no_stream_management(self, tmp_path: Path) -> None:
        async with Prosody(tmp_path, without=("smacks",)) as server:
            support, alice = [await server.register(each) for each in ("support", "alice")]
            async with Stream.open(support) as stream, XmppUser.online(alice) as user:
                assert not stream.has_acknowledgements
                await stream.send(reply(alice.bare_jid, "hello"))
                await until(lambda: user.texts == ["hello"])


class TestEnd:
    async def test_is_a_conflict_when_somebody_takes_the_resource(self, support: Account) -> None:
        async with Stream.open(support) as first, Stream.open(support) as second:
            assert isinstance(await asyncio.wait_for(first.lost, 5), StreamConflict)
            assert [each async for each in first.incoming()] == []
            with pytest.raises(StreamConflict):
                first.raise_why_it_ended()
            with pytest.raises(StreamConflict):
                await first.send(reply(f"alice@{DOMAIN}", "too late"))
            await second.ping()

    async def test_comes_with_the_server_s(self, prosody: Prosody) -> None:
        support = await prosody.register("support")
        async with Stream.open(support) as stream:
            await prosody.kill()
            assert isinstance(await asyncio.wait_for(stream.lost, 5), StreamLost)
            with pytest.raises(StreamLost):
                await stream.send(reply(f"alice@{DOMAIN}", "too late"))
            stream.send_soon(TypingNotice(f"alice@{DOMAIN}", composing=True))
        await prosody.start()
        async with Stream.open(support) as stream:
            await stream.ping()

    async def test_of_the_server_is_told_to_who_waits(self, prosody: Prosody) -> None:
        support = await prosody.register("support")
        async with Wire.to(prosody.port) as wire:
            account = prosody.account("support", port=wire.port)
            assert account.bare_jid == support.bare_jid
            async with Stream.open(account) as stream:
                wire.freeze()
                sending = asyncio.create_task(stream.send(reply(f"alice@{DOMAIN}", "hello")))
                asking = asyncio.create_task(stream.ping())
                await asyncio.sleep(0)
                await prosody.kill()
                wire.cut()
                for waiting in (sending, asking):
                    with pytest.raises(StreamLost):
                        await asyncio.wait_for(waiting, 5)

    async def test_is_noticed_when_the_line_is_cut(
        self, shared_prosody: Prosody, support: Account
    ) -> None:
        async with (
            Wire.to(shared_prosody.port) as wire,
            Stream.open(replace(support, port=wire.port)) as stream,
        ):
            wire.cut()
            await asyncio.wait_for(stream.lost, 5)

    async def test_is_noticed_when_the_line_is_frozen(
        self, shared_prosody: Prosody, support: Account
    ) -> None:
        async with (
            Wire.to(shared_prosody.port) as wire,
            Stream.open(replace(support, port=wire.port), beat=BEAT) as stream,
        ):
            wire.freeze()
            frozen_at = time.monotonic()
            lost = await asyncio.wait_for(stream.lost, 5)
            assert "has not answered for 0.3 seconds" in str(lost)
            assert time.monotonic() - frozen_at < 2 * BEAT + 0.5
            with pytest.raises(StreamLost):
                await stream.send(reply(f"alice@{DOMAIN}", "hello"))

    async def test_does_not_come_while_the_server_answers(self, support: Account) -> None:
        async with Stream.open(support, beat=0.02) as stream:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(stream.lost), 1)

    async def test_of_a_frozen_stream_takes_no_time(
        self, shared_prosody: Prosody, support: Account
    ) -> None:
        async with Wire.to(shared_prosody.port) as wire:
            async with Stream.open(replace(support, port=wire.port)) as stream:
                wire.freeze()
                with pytest.raises(NoAnswer):
                    await stream.ping(0.1)
                left_at = time.monotonic()
            assert time.monotonic() - left_at < 3

    async def test_is_what_an_error_of_ours_comes_to(
        self, support: Account, alice: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The archive has the message. Its sender is not told of our troubles."""

        def fail(*_: object) -> NoReturn:
            raise RuntimeError

        async with Stream.open(support) as stream, XmppUser.online(alice) as user:
            stream.show_presence()
            await stream.ping()
            monkeypatch.setattr(connection, "read", fail)
            user.say(stream.full_jid, "hello")
            await asyncio.wait_for(stream.lost, 5)
            await user.ping()
            assert "trouble" not in "".join(str(each) for each in user.messages)

    async def test_can_be_ours(self, support: Account) -> None:
        async with Stream.open(support) as stream:
            stream.drop("We have had enough.")
            assert [each async for each in stream.incoming()] == []
            with pytest.raises(StreamLost, match="had enough"):
                stream.raise_why_it_ended()


async def taken(stream: Stream, number: int) -> AsyncIterator[Incoming]:
    """The next so many stanzas."""
    async for stanza in stream.incoming():
        yield stanza
        number -= 1
        if not number:
            return


async def said(stream: Stream, number: int) -> Sequence[Said]:
    """The next messages of people."""
    incoming = stream.incoming()
    return [await next_of(Said, incoming) for _ in range(number)]
