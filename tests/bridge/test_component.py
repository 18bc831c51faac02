"""The second mode, as a component of a real server."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from pydantic import SecretStr

from bridge.account import Account, ComponentAccount
from bridge.component import Component
from bridge.errors import LoginRefused, ServerUnreachable, StreamConflict, StreamLost
from bridge.stanzas import Reply, Said, Typing
from holdfast.ports import free_port
from tests.bridge.prosody import COMPONENT, Prosody
from tests.bridge.waiting import next_of, until
from tests.bridge.wire import Wire
from tests.bridge.xmpp_user import XmppUser

BEAT = 0.3


@pytest.fixture
def component(shared_prosody: Prosody) -> ComponentAccount:
    return shared_prosody.component()


class TestLogin:
    async def test_is_refused_with_a_wrong_secret(self, component: ComponentAccount) -> None:
        with pytest.raises(LoginRefused, match=COMPONENT):
            async with Component.open(replace(component, secret=SecretStr("wrong"))):
                pass

    async def test_finds_nobody_at_the_port(self, component: ComponentAccount) -> None:
        with pytest.raises(ServerUnreachable, match="XMPP_PORT"):
            async with Component.open(replace(component, port=free_port())):
                pass

    async def test_ends_an_earlier_one(self, component: ComponentAccount) -> None:
        async with Component.open(component) as first, Component.open(component) as second:
            assert isinstance(await asyncio.wait_for(first.lost, 5), StreamConflict)
            await second.ping()


class TestStream:
    async def test_hears_what_is_said_to_anybody_there(
        self, component: ComponentAccount, alice: Account
    ) -> None:
        async with Component.open(component) as stream, XmppUser.online(alice) as user:
            incoming = stream.incoming()
            for local in ("help", "sales"):
                user.say(f"{local}@{COMPONENT}", f"hello {local}")
                heard = await next_of(Said, incoming)
                assert (heard.to_jid, heard.body) == (f"{local}@{COMPONENT}", f"hello {local}")
                assert (heard.from_jid, heard.stanza_id) == (user.full_jid, None)
            user.send(
                f"help@{COMPONENT}", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
            )
            assert await next_of(Typing, incoming) == Typing(user.full_jid, composing=True)

    async def test_answers_as_who_was_spoken_to(
        self, component: ComponentAccount, alice: Account
    ) -> None:
        async with Component.open(component) as stream, XmppUser.online(alice) as user:
            asked = user.say(f"sales@{COMPONENT}", "hello")
            heard = await next_of(Said, stream.incoming())
            stream.acknowledge(heard)
            assert (await user.receipt(asked))["from"].bare == f"sales@{COMPONENT}"
            reply = Reply(alice.bare_jid, str(uuid4()), "welcome", from_jid=heard.to_jid)
            await stream.send(reply)
            await stream.send(Reply(alice.bare_jid, str(uuid4()), "anything else?"))
            await until(lambda: user.texts == ["welcome", "anything else?"])
            assert [each["from"].bare for each in user.said] == [
                f"sales@{COMPONENT}",
                f"help@{COMPONENT}",
            ]

    async def test_says_that_it_is_there(self, component: ComponentAccount, alice: Account) -> None:
        async with Component.open(component), XmppUser.online(alice) as user:
            user.subscribe(f"sales@{COMPONENT}")
            await until(
                lambda: any(
                    each["from"].bare == f"sales@{COMPONENT}" and each["type"] == "available"
                    for each in user.presences
                )
            )

    async def test_keeps_nothing_of_those_who_ask(
        self, component: ComponentAccount, alice: Account
    ) -> None:
        """Anybody can ask for the presence of people who do not exist, without end."""
        async with Component.open(component) as stream, XmppUser.online(alice) as user:
            before = len(list(stream._client.roster.keys()))
            for number in range(20):
                user.probe(f"nobody{number}@{COMPONENT}")
            await until(lambda: len({each["from"].bare for each in user.presences}) > 20)
            assert len(list(stream._client.roster.keys())) == before

    async def test_lets_the_server_wait_when_nothing_is_taken(
        self, component: ComponentAccount, alice: Account
    ) -> None:
        """There is no archive: nothing may be left out."""
        number = 6000
        async with Component.open(component, beat=0.5) as stream, XmppUser.online(alice) as user:
            for each in range(number):
                user.say(f"help@{COMPONENT}", f"{each}")
            await user.ping()
            await until(lambda: not stream._is_listening(), 30)
            incoming = stream.incoming()
            heard = [await next_of(Said, incoming) for _ in range(number)]
            assert [each.body for each in heard] == [f"{each}" for each in range(number)]
            await stream.ping()

    async def test_ends_when_the_line_is_frozen(
        self, shared_prosody: Prosody, component: ComponentAccount
    ) -> None:
        async with (
            Wire.to(shared_prosody.component_port) as wire,
            Component.open(replace(component, port=wire.port), beat=BEAT) as stream,
        ):
            wire.freeze()
            sending = asyncio.create_task(
                stream.send(Reply("alice@localhost", str(uuid4()), "hello"))
            )
            await asyncio.wait_for(stream.lost, 5)
            with pytest.raises(StreamLost):
                await sending

    async def test_offers_less_than_an_account(self, component: ComponentAccount) -> None:
        async with Component.open(component) as stream:
            assert not stream.has_archive
            assert not stream.has_acknowledgements
            stream.show_presence()
