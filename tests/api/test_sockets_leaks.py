"""Whatever a visitor asks of a socket, it gets nothing of others. Nor does anybody else."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from api.config import ApiConfig
from domain.ids import ticket_id_text
from domain.principals import Scope
from store import keys
from store.database import Database
from tests.api.chatting import ASHIK, BEA, Chat, Visitor, said
from tests.api.conftest import JudgingEngine
from tests.api.people import bearer, token
from tests.api.socket_serving import ApiProcess, Listener, api_process
from tests.store.writing import number_of, open_ticket, write

SECRET = "nobody-else-may-see-this"
EMAIL = "flo@example.com"


@dataclass(frozen=True)
class World:
    """Flo and her secrets, and Eve, who has a conversation of her own."""

    flo: Visitor
    eve: Visitor
    ticket_id: UUID
    number: int

    @property
    def foreign(self) -> Iterator[dict[str, object]]:
        """All ways to name what is not Eve's."""
        conversation_id = self.flo.conversation_id
        spelled = (conversation_id, conversation_id.upper(), UUID(conversation_id).hex)
        rooms = (f"conversation/{conversation_id}", f"/{conversation_id}", "queue", "tickets", "*")
        for name in (*spelled, *rooms, str(uuid4())):
            yield {"conversationId": name}
            yield {"conversationId": name, "scope": "conversation"}
            yield {"ticketId": name}
        for ticket in (str(self.ticket_id), ticket_id_text(self.ticket_id), str(self.number)):
            yield {"ticketId": ticket}
            yield {"conversationId": ticket}
        for scope in ("queue", "tickets", "all", self.flo.conversation_id):
            yield {"scope": scope}
            yield {"scope": scope, "conversationId": self.flo.conversation_id}


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    tireless = {"rate_limit_messages": 1_000, "sockets_per_visitor": 1_000}
    async with api_process(config.model_copy(update=tireless), database_url) as opened:
        yield opened


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


@pytest.fixture
async def world(chat: Chat, database: Database) -> World:
    said(await chat.client.post("/api/agent/sessions", json={}, headers=BEA))
    flo = await chat.accepted(displayName=f"Flo {SECRET}")
    ticket_id = await open_ticket(database, EMAIL)
    await write(database, ticket_id, SECRET)
    number = await number_of(database, ticket_id)
    return World(flo, await chat.accepted(displayName="Eve"), ticket_id, number)


def connect(process: ApiProcess, headers: dict[str, str], **query: object) -> Listener:
    return Listener(process.url, headers["Authorization"][7:], **query)


async def everything_happens(chat: Chat, process: ApiProcess, world: World) -> None:
    """To Flo, and to those who wait."""
    waiting = await chat.waiting(displayName=SECRET)
    await chat.ask(waiting, SECRET)
    await chat.ask(world.flo, SECRET)
    await chat.reply(world.flo, SECRET)
    await chat.reply(world.flo, SECRET, visibility="private")
    named = {"conversationId": world.flo.conversation_id}
    async with connect(process, world.flo.headers) as flo:
        await flo.follow(UUID(world.flo.conversation_id))
        await flo.call("chat:typing", {**named, "typing": True})
        await flo.call("chat:read", {**named, "seq": 1})
    passed_on = {"toAgentId": "bea", "note": SECRET}
    transfer = f"{world.flo.desk}/transfer"
    said(await chat.client.post(transfer, json=passed_on, headers=ASHIK))
    await chat.reply(world.flo, SECRET, by=BEA)
    said(await chat.client.post(f"{world.flo.desk}/release", headers=BEA))
    said(await chat.client.post(f"{world.flo.place}/close", headers=world.flo.headers))


async def hears(chat: Chat, world: World, listener: Listener) -> None:
    """Make sure that whatever would have come has come."""
    message = await chat.ask(world.eve, "mine")
    await listener.call("subscribe", {"conversationId": world.eve.conversation_id})
    await chat.ask(world.eve, "mine too")
    await listener.until_it_has(message["seq"] + 1)


def require_nothing_foreign(listener: Listener, world: World) -> None:
    told = json.dumps(listener.events)
    assert SECRET not in told
    assert world.flo.conversation_id not in told
    assert "queue:snapshot" not in told
    assert "ticket:" not in told


class TestVisitor:
    async def test_by_subscribing(self, process: ApiProcess, chat: Chat, world: World) -> None:
        async with connect(process, world.eve.headers) as eve:
            for request in world.foreign:
                answer = await eve.call("subscribe", {**request, "afterSeq": 0})
                assert answer["code"] in ("not_found", "forbidden", "invalid"), request
            await everything_happens(chat, process, world)
            await hears(chat, world, eve)
            require_nothing_foreign(eve, world)

    async def test_by_the_handshake(self, process: ApiProcess, chat: Chat, world: World) -> None:
        """With all of them at once, and with every role."""
        listeners: list[Listener] = []
        requests = list(world.foreign)
        for number in range(0, len(requests), 10):
            for request in requests[number : number + 10]:
                role = ("agent", "customer", "admin")[len(listeners) % 3]
                query = {**request, "role": role, "fingerprint": "client-generated-id"}
                listener = connect(process, world.eve.headers, **query, afterSeq=0)
                listeners.append(listener)
                await listener.__aenter__()
                error = await listener.next("system:error")
                assert error["code"] in ("not_found", "forbidden", "invalid")
            if number == 0:
                await everything_happens(chat, process, world)
            for listener in listeners[-10:]:
                await listener.__aexit__()
        for listener in listeners:
            require_nothing_foreign(listener, world)

    @pytest.mark.parametrize(
        "event", ["chat:send", "conversation:close", "chat:typing", "chat:read", "ticket:typing"]
    )
    async def test_by_commands(
        self, process: ApiProcess, chat: Chat, world: World, event: str
    ) -> None:
        more = {"content": "x", "typing": True, "seq": 1}
        async with connect(process, world.eve.headers) as eve:
            unknown = await eve.call(event, {"conversationId": str(uuid4()), **more})
            for request in world.foreign:
                answer = await eve.call(event, {**request, **more})
                assert answer["code"] in ("not_found", "forbidden", "invalid"), request
                assert SECRET not in str(answer)
            named = {"conversationId": world.flo.conversation_id, **more}
            assert await eve.call(event, named) == unknown
        assert (await chat.state(world.flo))["status"] != "CLOSED"

    async def test_notes_and_transfers_of_the_own_conversation(
        self, process: ApiProcess, chat: Chat, world: World
    ) -> None:
        """Before, while and after it is handed on, live and by catching up."""
        async with connect(process, world.eve.headers, afterSeq=0) as eve:
            await chat.reply(world.eve, SECRET, visibility="private")
            passed_on = {"toAgentId": "bea", "note": SECRET}
            transfer = f"{world.eve.desk}/transfer"
            said(await chat.client.post(transfer, json=passed_on, headers=ASHIK))
            await chat.reply(world.eve, SECRET, by=BEA, visibility="private")
            last = await chat.reply(world.eve, "public", by=BEA)
            await eve.until_it_has(last["seq"])
        async with connect(process, world.eve.headers, afterSeq=0) as again:
            await again.until_it_has(last["seq"])
        for listener in (eve, again):
            require_nothing_foreign(listener, world)
            assert "transferred" in [event["type"] for event in listener.payloads("system:event")]


class TestOthers:
    async def test_customers_token(self, process: ApiProcess, chat: Chat, world: World) -> None:
        """The one of somebody whose e-mail and id are not Flo's."""
        stranger = bearer(token("customer", "stranger", email="stranger@example.com"))
        async with connect(process, stranger) as listener:
            for request in world.foreign:
                answer = await listener.call("subscribe", {**request, "afterSeq": 0})
                assert answer["code"] in ("not_found", "forbidden", "invalid"), request
            await everything_happens(chat, process, world)
            require_nothing_foreign(listener, world)

    async def test_visitors_token_is_good_for_its_visitor_alone(
        self, process: ApiProcess, chat: Chat, world: World
    ) -> None:
        """Not for the person who has the same e-mail."""
        async with connect(process, world.flo.headers) as flo:
            answer = await flo.call("subscribe", {"ticketId": str(world.ticket_id)})
            assert answer["code"] == "not_found"

    @pytest.mark.parametrize("scope", [Scope.XMPP, Scope.HANDOFF])
    async def test_keys_for_other_things(
        self, process: ApiProcess, chat: Chat, world: World, database: Database, scope: Scope
    ) -> None:
        async with database.begin() as session:
            key = bearer(await keys.create(session, "other", [scope]))
        async with connect(process, key, scope="queue") as listener:
            assert (await listener.next("system:error"))["code"] == "forbidden"
            for request in world.foreign:
                answer = await listener.call("subscribe", {**request, "afterSeq": 0})
                assert answer["code"] in ("forbidden", "invalid"), request
            await everything_happens(chat, process, world)
            require_nothing_foreign(listener, world)

    async def test_desk_sees_what_it_asks_for(
        self, process: ApiProcess, chat: Chat, world: World
    ) -> None:
        async with connect(process, ASHIK) as agent:
            await agent.follow(UUID(world.eve.conversation_id), after=0)
            await everything_happens(chat, process, world)
            await hears(chat, world, agent)
            require_nothing_foreign(agent, world)
