"""Live chat over sockets: following a conversation, speaking in it, closing it."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID, uuid4

import httpx
import pytest

from api.config import ApiConfig
from domain.principals import Scope
from store import keys, read_marks
from store.database import Database
from tests.api.chatting import ADMIN, ASHIK, BEA, Chat, Visitor, said
from tests.api.conftest import JudgingEngine
from tests.api.people import bearer, token
from tests.api.socket_serving import ApiProcess, Listener, api_process
from tests.store.chatting import log_of


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


@pytest.fixture
async def visitor(chat: Chat) -> Visitor:
    """One whose conversation ASHIK has."""
    return await chat.accepted()


def connect(
    process: ApiProcess, headers: dict[str, str], *transports: str, **query: object
) -> Listener:
    return Listener(process.url, headers["Authorization"][7:], *transports, **query)


def as_agent(process: ApiProcess, visitor: Visitor, by: dict[str, str] = ASHIK) -> Listener:
    query = {"role": "agent", "conversationId": visitor.conversation_id, "afterSeq": 0}
    return connect(process, by, **query)


class TestFollowing:
    async def test_messages_and_events_as_the_seed_writes_them(
        self, process: ApiProcess, chat: Chat, visitor: Visitor
    ) -> None:
        async with (
            connect(process, visitor.headers, role="customer", afterSeq=0) as customer,
            as_agent(process, visitor) as agent,
        ):
            reply = await chat.reply(visitor, "Hi", metadata={"a": 1})
            for listener in (customer, agent):
                await listener.until_it_has(reply["seq"])
            told = customer.payloads("chat:message")[-1]
            assert told == {"conversationId": visitor.conversation_id, "message": reply}
            assert {name for name, _ in customer.events} == {"chat:message", "system:event"}
            events = customer.payloads("system:event")
            assert [event["type"] for event in events[:2]] == ["queued", "assigned"]
            assert [event["status"] for event in events[:2]] == ["QUEUED", "ASSIGNED"]
            for event in events:
                assert {"conversationId", "type", "status", "at", "seq"} <= event.keys()
                assert event["conversationId"] == visitor.conversation_id
                assert "visibility" not in event
            assert customer.seqs == agent.seqs == sorted(set(agent.seqs))

    @pytest.mark.parametrize(
        "query", [{}, {"role": "customer"}, {"scope": "conversation"}, {"fingerprint": "f"}]
    )
    async def test_visitor_gets_the_own_conversation(
        self, process: ApiProcess, chat: Chat, visitor: Visitor, query: dict[str, str]
    ) -> None:
        async with connect(process, visitor.headers, **query, afterSeq=0) as listener:
            first = await listener.next("system:event")
            assert (first["conversationId"], first["seq"]) == (visitor.conversation_id, 1)

    async def test_the_open_conversation_comes_before_the_last(
        self, process: ApiProcess, chat: Chat
    ) -> None:
        closed = await chat.closed()
        async with connect(process, closed.headers, afterSeq=0) as listener:
            assert (await listener.next("system:event"))["conversationId"] == closed.conversation_id
        again = await chat.visit(closed.headers)
        assert again.conversation_id != closed.conversation_id
        async with connect(process, closed.headers, afterSeq=0) as listener:
            assert (await listener.next("system:event"))["conversationId"] == again.conversation_id
            old = await listener.follow(UUID(closed.conversation_id), after=0)
            assert old["conversationId"] == closed.conversation_id

    async def test_customers_token(self, process: ApiProcess, chat: Chat) -> None:
        jwt = bearer(token("customer", "jo"))
        async with connect(process, jwt, role="customer") as listener:
            error = await listener.next("system:error")
            assert error == {"code": "not_found", "message": "Conversation not found"}
            session = await chat.visit(jwt)
            answer = await listener.call("subscribe", {"scope": "conversation"})
            assert answer == {"conversationId": session.conversation_id, "seq": 1}
        async with connect(process, jwt) as listener:
            await chat.ask(session)
            await listener.call("subscribe", {"scope": "conversation"})
            assert not listener.events

    async def test_agents_have_to_name_one(self, process: ApiProcess) -> None:
        async with connect(process, ASHIK, scope="conversation") as listener:
            assert (await listener.next("system:error"))["code"] == "invalid"
            answer = await listener.call("subscribe", {"conversationId": "nonsense"})
            assert answer["code"] == "not_found"

    async def test_unsubscribe(self, process: ApiProcess, chat: Chat, visitor: Visitor) -> None:
        named = {"conversationId": visitor.conversation_id}
        async with connect(process, ASHIK) as listener:
            await listener.follow(UUID(visitor.conversation_id))
            assert await listener.call("unsubscribe", named) == named
            assert (await listener.call("unsubscribe", named))["code"] == "invalid"
            await chat.ask(visitor)
            await listener.call("subscribe", {"scope": "tickets"})
            assert "chat:message" not in dict(listener.events)

    async def test_no_conversation_is_a_ticket(
        self, process: ApiProcess, visitor: Visitor, database: Database
    ) -> None:
        """Nor the other way round, though both are threads."""
        named = visitor.conversation_id
        async with connect(process, ASHIK) as listener:
            assert (await listener.call("subscribe", {"ticketId": named}))["code"] == "not_found"
            await listener.follow(UUID(named))
            for event in ("unsubscribe", "ticket:typing"):
                answer = await listener.call(event, {"ticketId": named, "typing": True})
                assert answer["code"] == "invalid"


class TestSend:
    async def test_is_acknowledged_with_the_message_that_all_get(
        self, process: ApiProcess, visitor: Visitor
    ) -> None:
        async with (
            connect(process, visitor.headers) as customer,
            as_agent(process, visitor) as agent,
        ):
            words = {
                "conversationId": visitor.conversation_id,
                "content": "From me",
                "metadata": {},
            }
            message = await customer.call("chat:send", words)
            assert (message["content"], message["sender"]["role"]) == ("From me", "CUSTOMER")
            answer = await agent.call("chat:send", {**words, "content": "From you"})
            assert answer["sender"] == {"role": "AGENT", "id": "agent-123", "displayName": "Ashik"}
            for listener in (customer, agent):
                await listener.until_it_has(answer["seq"])
                messages = [told["message"] for told in listener.payloads("chat:message")]
                assert messages[-2:] == [message, answer]

    async def test_without_an_ack(self, process: ApiProcess, visitor: Visitor) -> None:
        async with connect(process, visitor.headers) as customer:
            words = {"conversationId": visitor.conversation_id, "content": "Hello"}
            await customer.client.emit("chat:send", words)
            await customer.until(lambda: bool(customer.payloads("chat:message")))
            await customer.client.emit("chat:send", {**words, "content": ""})
            assert (await customer.next("system:error"))["code"] == "invalid"

    async def test_nudges_the_workflow(self, process: ApiProcess, visitor: Visitor) -> None:
        conversation_id = UUID(visitor.conversation_id)
        await process.engine.hear(conversation_id)
        async with connect(process, visitor.headers) as customer:
            await customer.call(
                "chat:send", {"conversationId": visitor.conversation_id, "content": "Hello"}
            )
            assert conversation_id in [thread.id for thread in process.engine.nudged]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"content": " "},
            {"content": "x" * 16_001},
            {"content": "\0"},
            {"content": 7},
            {"metadata": "text"},
            {"metadata": {"a": "x" * 9_000}},
            {"clientId": ""},
            {"clientId": "x" * 256},
            {"visibility": "secret"},
            {"conversationId": None},
            {"conversationId": ["a"]},
        ],
    )
    async def test_senseless(
        self, process: ApiProcess, visitor: Visitor, wrong: dict[str, object]
    ) -> None:
        async with connect(process, visitor.headers) as customer:
            words = {"conversationId": visitor.conversation_id, "content": "Hello", **wrong}
            answer = await customer.call("chat:send", words)
            assert answer["code"] == "invalid"
            assert answer["message"]

    async def test_notes_are_for_agents(
        self, process: ApiProcess, visitor: Visitor, database: Database
    ) -> None:
        async with (
            connect(process, visitor.headers, afterSeq=0) as customer,
            as_agent(process, visitor) as agent,
        ):
            words = {"conversationId": visitor.conversation_id, "content": "a secret"}
            note = await agent.call("chat:send", {**words, "visibility": "private"})
            assert note["visibility"] == "private"
            after = await agent.call("chat:send", {**words, "content": "public"})
            await agent.until_it_has(after["seq"])
            await customer.until_it_has(after["seq"])
            assert note["seq"] in agent.seqs
            assert "a secret" not in str(customer.events)

    async def test_only_who_has_it_and_admins(
        self, process: ApiProcess, visitor: Visitor, database: Database
    ) -> None:
        words = {"conversationId": visitor.conversation_id, "content": "Hello"}
        async with connect(process, BEA) as bea, connect(process, ADMIN) as admin:
            assert (await bea.call("chat:send", words))["code"] == "not_assigned"
            named = {**words, "agentId": "agent-123"}
            assert (await bea.call("chat:send", named))["code"] == "forbidden"
            assert (await admin.call("chat:send", words))["sender"]["id"] == "boss"
            assert (await admin.call("chat:send", named))["sender"]["id"] == "agent-123"
        async with connect(process, visitor.headers) as customer:
            assert (await customer.call("chat:send", named))["code"] == "forbidden"

    async def test_back_ends_name_the_agent(
        self, process: ApiProcess, visitor: Visitor, database: Database
    ) -> None:
        words = {"conversationId": visitor.conversation_id, "content": "Hello"}
        async with database.begin() as session:
            right = await keys.create(session, "right", [Scope.TICKETS])
            wrong = await keys.create(session, "wrong", [Scope.XMPP])
        async with Listener(process.url, right) as listener:
            assert (await listener.call("chat:send", words))["code"] == "invalid"
            message = await listener.call("chat:send", {**words, "agentId": "agent-123"})
            assert message["sender"]["id"] == "agent-123"
        async with Listener(process.url, wrong) as listener:
            named = {**words, "agentId": "agent-123"}
            assert (await listener.call("chat:send", named))["code"] == "forbidden"
            assert (await listener.call("conversation:close", named))["code"] == "forbidden"

    async def test_customers_write_no_faster_than_people(
        self, config: ApiConfig, database_url: str, visitor: Visitor
    ) -> None:
        few = config.model_copy(update={"rate_limit_messages": 3})
        words = {"conversationId": visitor.conversation_id, "content": "Hello"}
        async with (
            api_process(few, database_url) as process,
            connect(process, visitor.headers) as customer,
            as_agent(process, visitor) as agent,
        ):
            codes = [(await customer.call("chat:send", words)).get("code") for _ in range(4)]
            assert codes == [None, None, None, "too_many_requests"]
            codes = [(await agent.call("chat:send", words)).get("code") for _ in range(4)]
            assert codes == [None] * 4


class TestClientId:
    async def test_again_is_the_same_message(
        self, process: ApiProcess, chat: Chat, visitor: Visitor, database: Database
    ) -> None:
        words = {"conversationId": visitor.conversation_id, "content": "Once", "clientId": "7-a"}
        async with connect(process, visitor.headers) as customer:
            first = await customer.call("chat:send", words)
            assert await customer.call("chat:send", words) == first
            other = await customer.call("chat:send", {**words, "content": "Twice"})
            assert other["code"] == "idempotency_key_reused"
        again = await chat.client.post(
            f"{visitor.place}/messages",
            json={"content": "Once"},
            headers={**visitor.headers, "Idempotency-Key": "7-a"},
        )
        assert said(again, 201) == first
        contents = [entry.content for entry in await log_of(database, _id(visitor))]
        assert contents.count("Once") == 1

    async def test_after_http(self, process: ApiProcess, chat: Chat, visitor: Visitor) -> None:
        first = await chat.client.post(
            f"{visitor.place}/messages",
            json={"content": "Once"},
            headers={**visitor.headers, "Idempotency-Key": "key"},
        )
        words = {"conversationId": visitor.conversation_id, "content": "Once", "clientId": "key"}
        async with connect(process, visitor.headers) as customer:
            assert await customer.call("chat:send", words) == said(first, 201)

    async def test_sockets_that_race(
        self,
        process: ApiProcess,
        config: ApiConfig,
        database_url: str,
        visitor: Visitor,
        database: Database,
    ) -> None:
        words = {"conversationId": visitor.conversation_id, "content": "Once", "clientId": "key"}
        async with (
            api_process(config, database_url) as second,
            connect(process, visitor.headers) as one,
            connect(second, visitor.headers) as two,
        ):
            calls = [listener.call("chat:send", words) for listener in (one, two) for _ in range(5)]
            answers = await asyncio.gather(*calls)
            assert {answer["seq"] for answer in answers} == {answers[0]["seq"]}
        contents = [entry.content for entry in await log_of(database, _id(visitor))]
        assert contents.count("Once") == 1

    async def test_same_id_in_two_conversations_is_two(
        self, process: ApiProcess, chat: Chat, visitor: Visitor
    ) -> None:
        """Clients count from 1 in each."""
        other = await chat.accepted()
        async with connect(process, ASHIK) as agent:
            for number, one in enumerate((visitor, other)):
                words = {"conversationId": one.conversation_id, "content": f"Hi {number}"}
                answer = await agent.call("chat:send", {**words, "clientId": "1"})
                assert answer["content"] == f"Hi {number}"

    async def test_same_id_of_two_people_is_two(
        self, process: ApiProcess, visitor: Visitor
    ) -> None:
        words = {"conversationId": visitor.conversation_id, "content": "Hi", "clientId": "key"}
        async with (
            connect(process, visitor.headers) as customer,
            connect(process, ASHIK) as agent,
        ):
            one, two = await customer.call("chat:send", words), await agent.call("chat:send", words)
            assert one["id"] != two["id"]


class TestClose:
    async def test_by_the_customer(self, process: ApiProcess, visitor: Visitor) -> None:
        named = {"conversationId": visitor.conversation_id}
        async with (
            connect(process, visitor.headers) as customer,
            as_agent(process, visitor) as agent,
        ):
            closed = await customer.call("conversation:close", {**named, "reason": "done"})
            assert (closed["id"], closed["status"]) == (visitor.conversation_id, "CLOSED")
            assert closed["closeReason"] == "done"
            for listener in (customer, agent):
                await listener.until(partial(_is_closed, listener))
                assert listener.events[-1][1]["status"] == "CLOSED"
                words = {**named, "content": "too late"}
                assert (await listener.call("chat:send", words))["code"] == "gone"
            assert (await customer.call("conversation:close", named))["status"] == "CLOSED"

    async def test_by_the_agent(self, process: ApiProcess, visitor: Visitor) -> None:
        named = {"conversationId": visitor.conversation_id}
        async with connect(process, BEA) as bea, as_agent(process, visitor) as agent:
            assert (await bea.call("conversation:close", named))["code"] == "not_assigned"
            assert (await agent.call("conversation:close", named))["status"] == "CLOSED"

    async def test_engine_away(self, process: ApiProcess, visitor: Visitor) -> None:
        process.engine.works = False
        async with connect(process, visitor.headers) as customer:
            named = {"conversationId": visitor.conversation_id}
            assert (await customer.call("conversation:close", named))["code"] == "unavailable"

    async def test_history_stays_readable(self, process: ApiProcess, chat: Chat) -> None:
        closed = await chat.closed()
        async with connect(process, closed.headers) as customer:
            # Subscribed by the handshake already, from the end on.
            answer = await customer.follow(UUID(closed.conversation_id), after=0)
            assert answer["seq"] > 1
            assert customer.seqs == list(range(1, answer["seq"] + 1))


class TestWhispers:
    async def test_typing(
        self, process: ApiProcess, config: ApiConfig, database_url: str, visitor: Visitor
    ) -> None:
        """Told to the others of every process, and not to who types."""
        named = {"conversationId": visitor.conversation_id}
        async with (
            api_process(config, database_url) as second,
            connect(process, visitor.headers) as customer,
            connect(second, ASHIK) as agent,
        ):
            await agent.follow(_id(visitor))
            await customer.follow(_id(visitor))
            typing = {**named, "typing": True}
            assert await customer.call("chat:typing", typing) == typing
            assert await agent.next("chat:typing") == {**typing, "role": "CUSTOMER"}
            ceased = {**named, "typing": False}
            assert await agent.call("chat:typing", ceased) == ceased
            assert await customer.next("chat:typing") == {**ceased, "role": "AGENT"}
            assert len(agent.payloads("chat:typing")) == 1

    async def test_reading(self, process: ApiProcess, visitor: Visitor, database: Database) -> None:
        named = {"conversationId": visitor.conversation_id}
        before = await log_of(database, _id(visitor))
        query = {"afterSeq": len(before)}
        async with (
            connect(process, visitor.headers, **query) as customer,
            connect(process, ASHIK) as agent,
        ):
            # That the customer has come is told in the log, too.
            await customer.until(lambda: bool(customer.seqs))
            last = (await agent.follow(_id(visitor)))["seq"]
            for sent, stands in ((1, 1), (10**18, last), (1, last), (0, last)):
                answer = await customer.call("chat:read", {**named, "seq": sent})
                assert answer == {**named, "seq": stands}
            await agent.until(lambda: len(agent.payloads("chat:read")) == 4)
            assert agent.payloads("chat:read")[0] == {**named, "seq": 1, "role": "CUSTOMER"}
            await agent.call("chat:read", {**named, "seq": 2})
            assert await customer.next("chat:read") == {**named, "seq": 2, "role": "AGENT"}
        async with database.begin() as session:
            marks = await read_marks.marks(session, _id(visitor))
        assert marks == {"CUSTOMER": last, "AGENT": 2}
        after = await log_of(database, _id(visitor))
        assert [entry for entry in after if entry.event is None] == [
            entry for entry in before if entry.event is None
        ]

    @pytest.mark.parametrize("event", ["chat:typing", "chat:read"])
    async def test_only_where_one_listens(
        self, process: ApiProcess, visitor: Visitor, event: str
    ) -> None:
        async with connect(process, ASHIK) as agent:
            answers = [
                await agent.call(event, {"conversationId": named, "typing": True, "seq": 1})
                for named in (visitor.conversation_id, str(uuid4()), "nonsense")
            ]
            assert [answer["code"] for answer in answers] == ["invalid"] * 3
            assert answers[0] == answers[1] == answers[2]

    @pytest.mark.parametrize(
        ("event", "wrong"),
        [
            ("chat:typing", {"typing": "perhaps"}),
            ("chat:typing", {}),
            ("chat:read", {"seq": -1}),
            ("chat:read", {"seq": "all"}),
            ("chat:read", {"seq": 10**40}),
        ],
    )
    async def test_senseless(
        self, process: ApiProcess, visitor: Visitor, event: str, wrong: dict[str, object]
    ) -> None:
        async with connect(process, visitor.headers) as customer:
            await customer.follow(_id(visitor))
            named = {"conversationId": visitor.conversation_id}
            assert (await customer.call(event, {**named, **wrong}))["code"] == "invalid"


async def test_visitors_type_in_their_own_tickets(
    process: ApiProcess, chat: Chat, visitor: Visitor
) -> None:
    ticket = said(await chat.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers))
    named = {"ticketId": ticket["ticket_id"]}
    async with (
        connect(process, visitor.headers) as customer,
        connect(process, ASHIK, ticketId=ticket["ticket_id"]) as agent,
    ):
        await agent.call("subscribe", named)
        assert (await customer.call("subscribe", named))["ticketId"] == ticket["ticket_id"]
        await customer.call("ticket:typing", {**named, "typing": True})
        assert (await agent.next("ticket:typing"))["senderType"] == "customer"


def _is_closed(listener: Listener) -> bool:
    return bool(listener.events[-1][1].get("type") == "closed")


def _id(visitor: Visitor) -> UUID:
    return UUID(visitor.conversation_id)
