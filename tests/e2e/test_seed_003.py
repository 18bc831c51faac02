"""Seed 003 from its first line on: what the document shows is what a client sees.

Its bodies are sent as they are written; the token goes along in `Authorization`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
import socketio

from tests.e2e.chatting import Visitor, bearer, connected, staff_token
from tests.e2e.stack import Stack, until

Json = dict[str, Any]

SESSION: Json = {
    "fingerprint": "client-generated-id",
    "displayName": "Jane Doe",
    "contact": "0123456789",
}
HELLO: Json = {"content": "Hello!", "metadata": {"source": "web"}}
BOOT: Json = {"agentId": "agent-123", "displayName": "Ashik", "channel": "web"}
ACCEPT: Json = {"agentId": "agent-123", "displayName": "Ashik"}
HELP: Json = {"content": "How can I help?", "metadata": {"channel": "support-panel"}}
RESOLVED: Json = {"reason": "resolved"}
AS_CUSTOMER: Json = {
    "role": "customer",
    "fingerprint": "client-generated-id",
    "scope": "conversation",
}


@pytest_asyncio.fixture
async def client(chat_stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has no token yet."""
    async with httpx.AsyncClient(base_url=chat_stack.url, timeout=20) as client:
        yield client


@pytest.fixture
def ashik(chat_stack: Stack) -> dict[str, str]:
    """The agent of the examples."""
    return bearer(staff_token(chat_stack, "agent-123"))


@pytest.fixture
def other_agent(chat_stack: Stack) -> dict[str, str]:
    return bearer(staff_token(chat_stack, f"agent-{uuid4().hex}"))


@pytest_asyncio.fixture(autouse=True)
async def room(
    client: httpx.AsyncClient, chat_stack: Stack, ashik: dict[str, str]
) -> AsyncIterator[None]:
    """Ashik has nothing to do when an example begins."""
    yield
    mine = said(await client.get("/api/agent/conversations", headers=ashik))
    for conversation in mine:
        said(await client.post(f"{desk(conversation['id'])}/close", headers=ashik))


@pytest_asyncio.fixture
async def jane(client: httpx.AsyncClient) -> Visitor:
    """The customer of the examples, who has just come."""
    session = said(await client.post("/api/customer/sessions", json=SESSION))
    return Visitor(session["conversationId"], session["token"])


@pytest_asyncio.fixture
async def accepted(client: httpx.AsyncClient, jane: Visitor, ashik: dict[str, str]) -> Visitor:
    """Jane, when Ashik has accepted."""
    place = f"{desk(jane.conversation_id)}/accept"
    said(await client.post(place, json=ACCEPT, headers=ashik))
    return jane


class TestCustomerFlow:
    async def test_start_or_ensure_session(self, client: httpx.AsyncClient) -> None:
        session = said(await client.post("/api/customer/sessions", json=SESSION))
        assert str(UUID(session["conversationId"])) == session["conversationId"]
        assert session["status"] == "QUEUED"
        assert datetime.fromisoformat(session["expiresAt"]).tzinfo
        assert session["visitorId"]
        assert session["lastSeq"] >= 1

    async def test_session_is_resumed_with_its_token(
        self, client: httpx.AsyncClient, accepted: Visitor
    ) -> None:
        again = said(
            await client.post("/api/customer/sessions", json=SESSION, headers=of(accepted))
        )
        assert again["conversationId"] == accepted.conversation_id
        assert again["status"] == "ASSIGNED"

    async def test_fingerprint_alone_resumes_nothing(
        self, client: httpx.AsyncClient, jane: Visitor
    ) -> None:
        other = said(await client.post("/api/customer/sessions", json=SESSION))
        assert other["conversationId"] != jane.conversation_id

    async def test_send_message(self, client: httpx.AsyncClient, jane: Visitor) -> None:
        message = said(
            await client.post(f"{jane.place}/messages", json=HELLO, headers=of(jane)), 201
        )
        assert HELLO.items() <= message.items()
        assert message["conversationId"] == jane.conversation_id
        assert message["id"].startswith("msg_")
        assert message["seq"] > 1
        assert message["sender"]["role"] == "CUSTOMER"
        assert message["sender"]["displayName"] == "Jane Doe"
        assert datetime.fromisoformat(message["createdAt"]).tzinfo

    async def test_close_conversation(self, client: httpx.AsyncClient, jane: Visitor) -> None:
        closed = said(await client.post(f"{jane.place}/close", headers=of(jane)))
        assert (closed["id"], closed["status"]) == (jane.conversation_id, "CLOSED")

    async def test_fetch_history(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        said(await client.post(f"{accepted.place}/messages", json=HELLO, headers=of(accepted)), 201)
        place = f"{desk(accepted.conversation_id)}/messages"
        said(await client.post(place, json=HELP, headers=ashik), 201)
        history = said(
            await client.get(f"{accepted.place}/messages?limit=50", headers=of(accepted))
        )
        assert [each["content"] for each in history] == [HELLO["content"], HELP["content"]]
        assert [each["sender"]["role"] for each in history] == ["CUSTOMER", "AGENT"]
        after = history[0]["seq"]
        rest = said(
            await client.get(
                f"{accepted.place}/messages?limit=50&afterSeq={after}", headers=of(accepted)
            )
        )
        assert rest == history[1:]


class TestAgentFlow:
    async def test_agent_login(
        self, client: httpx.AsyncClient, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        session = said(await client.post("/api/agent/sessions", json=BOOT, headers=ashik))
        assert (session["agentId"], session["status"]) == ("agent-123", "online")
        assert (session["capacity"], session["active"]) == (3, 0)
        assert session["conversations"] == []
        assert session["queue"]["total"] >= len(session["queue"]["entries"]) > 0

    async def test_list_queue(
        self, client: httpx.AsyncClient, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        page = said(await client.get("/api/agent/queue?page=0&size=20", headers=ashik))
        assert (page["page"], page["size"]) == (0, 20)
        assert page["totalElements"] > 0
        assert page["totalPages"] == -(-page["totalElements"] // 20)
        waits = [entry["waitSeconds"] for entry in page["content"]]
        assert waits == sorted(waits, reverse=True)
        assert [entry["position"] for entry in page["content"]] == [
            number for number, _ in enumerate(waits, 1)
        ]
        last = -(-page["totalElements"] // 100) - 1
        end = said(await client.get(f"/api/agent/queue?page={last}&size=100", headers=ashik))
        entry = end["content"][-1]
        assert entry["conversationId"] == jane.conversation_id
        assert entry["customer"]["displayName"] == "Jane Doe"

    async def test_accept_conversation(
        self, client: httpx.AsyncClient, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        place = f"{desk(jane.conversation_id)}/accept"
        conversation = said(await client.post(place, json=ACCEPT, headers=ashik))
        assert conversation["id"] == jane.conversation_id
        assert conversation["status"] == "ASSIGNED"
        assert conversation["agent"]["id"] == "agent-123"
        assert said(await client.post(place, json=ACCEPT, headers=ashik))["agent"]["id"] == (
            "agent-123"
        )

    async def test_another_agent_already_took_it(
        self, client: httpx.AsyncClient, accepted: Visitor, other_agent: dict[str, str]
    ) -> None:
        place = f"{desk(accepted.conversation_id)}/accept"
        refused = said(await client.post(place, headers=other_agent), 409)
        assert refused["code"] == "conflict"
        assert refused["detail"] == "Conversation is no longer available to accept."

    async def test_accept_what_is_gone(
        self, client: httpx.AsyncClient, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        said(await client.post(f"{jane.place}/close", headers=of(jane)))
        place = f"{desk(jane.conversation_id)}/accept"
        assert said(await client.post(place, json=ACCEPT, headers=ashik), 410)["code"] == "gone"

    async def test_send_message(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        place = f"{desk(accepted.conversation_id)}/messages"
        message = said(await client.post(place, json=HELP, headers=ashik), 201)
        assert HELP.items() <= message.items()
        assert (message["sender"]["role"], message["sender"]["id"]) == ("AGENT", "agent-123")

    async def test_close_conversation(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        place = f"{desk(accepted.conversation_id)}/close"
        closed = said(await client.post(place, json=RESOLVED, headers=ashik))
        assert (closed["status"], closed["closeReason"]) == ("CLOSED", "resolved")

    async def test_list_assigned_conversations(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        place = "/api/agent/conversations?status=ASSIGNED,CONNECTED"
        mine = said(await client.get(place, headers=ashik))
        assert [each["id"] for each in mine] == [accepted.conversation_id]


async def test_common_response_fields(
    client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
) -> None:
    for place, headers in (
        (accepted.place, of(accepted)),
        (desk(accepted.conversation_id), ashik),
    ):
        shown = said(await client.get(place, headers=headers))
        assert shown["id"] == accepted.conversation_id
        assert shown["status"] == "ASSIGNED"
        assert shown["customer"]["id"]
        assert shown["customer"]["displayName"] == "Jane Doe"
        assert shown["customer"]["phone"] == "0123456789"
        assert shown["agent"]["id"] == "agent-123"
        assert shown["agent"]["displayName"]
        assert datetime.fromisoformat(shown["createdAt"]).tzinfo
        assert datetime.fromisoformat(shown["updatedAt"]).tzinfo


async def test_connected_when_both_have_spoken(
    client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
) -> None:
    said(await client.post(f"{accepted.place}/messages", json=HELLO, headers=of(accepted)), 201)
    place = desk(accepted.conversation_id)
    said(await client.post(f"{place}/messages", json=HELP, headers=ashik), 201)

    async def connected() -> bool:
        return bool(said(await client.get(place, headers=ashik))["status"] == "CONNECTED")

    await until(connected, 10, "the conversation is CONNECTED")


class TestHandingOn:
    """What the contract adds to the document."""

    async def test_transfer(
        self,
        client: httpx.AsyncClient,
        accepted: Visitor,
        ashik: dict[str, str],
        other_agent: dict[str, str],
    ) -> None:
        place = desk(accepted.conversation_id)
        other = said(await client.post("/api/agent/sessions", json={}, headers=other_agent))
        body = {"toAgentId": other["agentId"], "note": "She has asked before."}
        handed = said(await client.post(f"{place}/transfer", json=body, headers=ashik))
        assert handed["agent"]["id"] == other["agentId"]
        notes = said(await client.get(f"{place}/messages", headers=other_agent))
        assert (notes[-1]["content"], notes[-1]["visibility"]) == (body["note"], "private")
        seen = said(await client.get(f"{accepted.place}/messages", headers=of(accepted)))
        assert seen == []
        said(await client.post(f"{place}/messages", json=HELP, headers=ashik), 422)
        unknown = {"toAgentId": "nobody-knows-them"}
        said(await client.post(f"{place}/transfer", json=unknown, headers=other_agent), 422)

    async def test_release(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        place = f"{desk(accepted.conversation_id)}/release"
        released = said(await client.post(place, headers=ashik))
        assert (released["status"], released["agent"]) == ("QUEUED", None)

    async def test_agent_makes_it_a_ticket(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        said(await client.post(f"{accepted.place}/messages", json=HELLO, headers=of(accepted)), 201)
        place = desk(accepted.conversation_id)
        ticket = said(await client.post(f"{place}/to-ticket", headers=ashik))
        assert ticket["conversation_id"] == accepted.conversation_id
        shown = said(await client.get(place, headers=ashik))
        assert (shown["status"], shown["ticketId"]) == ("CLOSED", ticket["ticket_id"])
        # The ticket lives: its workflow carries out what agents want of it.
        answer = await client.put(
            f"/api/tickets/{ticket['ticket_id']}", json={"status": "resolved"}, headers=ashik
        )
        assert said(answer)["status"] == "resolved"

    async def test_customer_leaves_a_ticket(self, client: httpx.AsyncClient, jane: Visitor) -> None:
        said(await client.post(f"{jane.place}/messages", json=HELLO, headers=of(jane)), 201)
        body = {"email": "jane@example.com"}
        place = f"{jane.place}/to-ticket"
        ticket = said(await client.post(place, json=body, headers=of(jane)))
        assert said(await client.post(place, headers=of(jane)))["ticket_id"] == ticket["ticket_id"]
        followed = f"/api/tickets/{ticket['ticket_id']}"
        said(
            await client.post(
                f"{followed}/message", json={"content": "Any news?"}, headers=of(jane)
            )
        )
        shown = said(await client.get(followed, headers=of(jane)))
        assert shown["timeline"][-1]["content"] == "Any news?"

    async def test_signing_off_gives_conversations_back(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        offline = {"agentId": "agent-123", "status": "offline"}
        said(await client.post("/api/agent/sessions", json=offline, headers=ashik))

        async def queued() -> bool:
            shown = said(await client.get(accepted.place, headers=of(accepted)))
            return bool(shown["status"] == "QUEUED")

        await until(queued, 10, "the conversation is back in the queue")

    async def test_process(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        process = said(await client.get(f"{desk(accepted.conversation_id)}/process", headers=ashik))
        assert process["status"] == "ASSIGNED"
        assert "closes for silence" in [alarm["what"] for alarm in process["alarms"]]


class TestCustomerSocket:
    async def test_handshake(self, chat_stack: Stack, jane: Visitor) -> None:
        """The first time she knows no conversation yet: her token does."""
        async with listening(chat_stack, jane.token, **AS_CUSTOMER, afterSeq=0) as socket:
            queued = await socket.next("system:event")
            assert queued["conversationId"] == jane.conversation_id
            assert (queued["type"], queued["status"], queued["seq"]) == ("queued", "QUEUED", 1)

    async def test_handshake_when_reconnecting(
        self, client: httpx.AsyncClient, chat_stack: Stack, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        """What was missed comes once, and then the live stream."""
        query = {**AS_CUSTOMER, "conversationId": accepted.conversation_id}
        async with listening(chat_stack, accepted.token, **query, afterSeq=0) as socket:
            await socket.until(lambda: socket.statuses[-1:] == ["ASSIGNED"], "she sees Ashik")
            before = socket.seqs
        place = f"{desk(accepted.conversation_id)}/messages"
        missed = said(await client.post(place, json=HELP, headers=ashik), 201)
        async with listening(chat_stack, accepted.token, **query, afterSeq=before[-1]) as socket:
            await socket.until_it_has(missed["seq"])
            live = said(await client.post(place, json=HELP, headers=ashik), 201)
            await socket.until_it_has(live["seq"])
            assert [*before, *socket.seqs] == list(range(1, live["seq"] + 1))

    async def test_chat_message(
        self, client: httpx.AsyncClient, chat_stack: Stack, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        query = {**AS_CUSTOMER, "conversationId": accepted.conversation_id}
        async with listening(chat_stack, accepted.token, **query) as socket:
            await socket.subscribed(accepted)
            place = f"{desk(accepted.conversation_id)}/messages"
            message = said(await client.post(place, json=HELP, headers=ashik), 201)
            assert await socket.next("chat:message") == {
                "conversationId": accepted.conversation_id,
                "message": message,
            }

    async def test_system_event(
        self, client: httpx.AsyncClient, chat_stack: Stack, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        """Queue updates, assignment status, closure notices."""
        query = {**AS_CUSTOMER, "conversationId": jane.conversation_id, "afterSeq": 0}
        async with listening(chat_stack, jane.token, **query) as socket:
            place = desk(jane.conversation_id)
            for what, body, status in (
                ("accept", ACCEPT, "ASSIGNED"),
                ("release", {}, "QUEUED"),
                ("accept", ACCEPT, "ASSIGNED"),
                ("close", RESOLVED, "CLOSED"),
            ):
                count = len(socket.payloads("system:event"))
                said(await client.post(f"{place}/{what}", json=body, headers=ashik))
                await socket.until(lambda: status in socket.statuses[count:], f"{what}: {status}")  # noqa: B023
            for event in socket.payloads("system:event"):
                assert event["conversationId"] == jane.conversation_id
                assert datetime.fromisoformat(event["at"]).tzinfo
            types = [event["type"] for event in socket.payloads("system:event")]
            assert [each for each in types if each not in ("arrived", "connected")] == [
                "queued",
                "assigned",
                "released",
                "assigned",
                "closed",
            ]

    async def test_system_error(
        self, client: httpx.AsyncClient, chat_stack: Stack, jane: Visitor
    ) -> None:
        """Somebody else's conversation is none; the socket stays."""
        other = said(await client.post("/api/customer/sessions", json=SESSION))
        query = {**AS_CUSTOMER, "conversationId": other["conversationId"], "afterSeq": 0}
        async with listening(chat_stack, jane.token, **query) as socket:
            error = await socket.next("system:error")
            assert error == {"code": "not_found", "message": "Conversation not found"}
            await socket.subscribed(jane)
            assert not socket.seqs


class TestAgentSocket:
    async def test_queue_stream(
        self, client: httpx.AsyncClient, chat_stack: Stack, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        query = {"role": "agent", "scope": "queue"}
        async with listening(chat_stack, token_in(ashik), **query) as socket:

            async def shows_the_queue() -> bool:
                page = said(await client.get("/api/agent/queue?size=100", headers=ashik))
                waiting = [entry["conversationId"] for entry in page["content"]]
                snapshots = socket.payloads("queue:snapshot")
                return bool(snapshots) and waiting == [
                    entry["conversationId"] for entry in snapshots[-1]
                ]

            await until(shows_the_queue, 10, "the queue, when the agent comes")
            snapshot = socket.payloads("queue:snapshot")[-1]
            waits = [datetime.fromisoformat(entry["queuedAt"]) for entry in snapshot]
            assert waits == sorted(waits)
            assert {"conversationId", "customer", "waitSeconds", "position", "lastMessage"} <= (
                snapshot[0].keys()
            )
            oldest = snapshot[0]["conversationId"]
            said(await client.post(f"{desk(oldest)}/accept", json=ACCEPT, headers=ashik))
            await until(shows_the_queue, 10, "the queue, when one less is waiting")
            assert oldest not in str(socket.payloads("queue:snapshot")[-1])
            assert {name for name, _ in socket.events} == {"queue:snapshot"}

    async def test_conversation_stream(
        self, client: httpx.AsyncClient, chat_stack: Stack, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        """One socket for each chat, and each gets its own."""
        session = said(await client.post("/api/customer/sessions", json=SESSION))
        other = Visitor(session["conversationId"], session["token"])
        said(await client.post(f"{desk(other.conversation_id)}/accept", json=ACCEPT, headers=ashik))
        both = (accepted, other)
        async with AsyncExitStack() as sockets:
            streams = [
                await sockets.enter_async_context(
                    listening(
                        chat_stack,
                        token_in(ashik),
                        role="agent",
                        conversationId=visitor.conversation_id,
                    )
                )
                for visitor in both
            ]
            for visitor, stream in zip(both, streams, strict=True):
                await stream.subscribed(visitor)
            for visitor, stream in zip(both, streams, strict=True):
                headers = of(visitor)
                message = said(
                    await client.post(f"{visitor.place}/messages", json=HELLO, headers=headers), 201
                )
                told = await stream.next("chat:message")
                assert told == {"conversationId": visitor.conversation_id, "message": message}
                said(await client.post(f"{visitor.place}/close", headers=headers))
                await stream.until(lambda: "CLOSED" in stream.statuses, "it is closed")  # noqa: B023
                assert {payload["conversationId"] for _, payload in stream.events} == {
                    visitor.conversation_id
                }

    async def test_system_error(self, chat_stack: Stack, ashik: dict[str, str]) -> None:
        query = {"role": "agent", "conversationId": str(uuid4())}
        async with listening(chat_stack, token_in(ashik), **query) as socket:
            error = await socket.next("system:error")
            assert error == {"code": "not_found", "message": "Conversation not found"}


class TestSendingViaSocket:
    """The two names that the document reserves, and two that the contract adds."""

    async def test_chat_send(
        self, client: httpx.AsyncClient, chat_stack: Stack, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        named = {"conversationId": accepted.conversation_id}
        async with (
            listening(chat_stack, accepted.token, **AS_CUSTOMER, **named) as customer,
            listening(chat_stack, token_in(ashik), role="agent", **named) as agent,
        ):
            for socket in (customer, agent):
                await socket.subscribed(accepted)
            hello = await customer.call("chat:send", {**named, **HELLO, "clientId": "1"})
            again = await customer.call("chat:send", {**named, **HELLO, "clientId": "1"})
            help_ = await agent.call("chat:send", {**named, **HELP})
            assert hello == again
            for socket in (customer, agent):
                await socket.until_it_has(help_["seq"])
                messages = [told["message"] for told in socket.payloads("chat:message")]
                assert messages == [hello, help_]
        history = said(await client.get(f"{accepted.place}/messages", headers=of(accepted)))
        assert history == [hello, help_]

    async def test_conversation_close(
        self, chat_stack: Stack, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        named = {"conversationId": accepted.conversation_id}
        async with (
            listening(chat_stack, accepted.token, **AS_CUSTOMER, **named) as customer,
            listening(chat_stack, token_in(ashik), role="agent", **named) as agent,
        ):
            await customer.subscribed(accepted)
            closed = await agent.call("conversation:close", {**named, **RESOLVED})
            assert (closed["id"], closed["status"]) == (accepted.conversation_id, "CLOSED")
            assert closed["closeReason"] == "resolved"
            await customer.until(lambda: customer.statuses[-1:] == ["CLOSED"], "she is told")
            assert (await customer.call("chat:send", {**named, **HELLO}))["code"] == "gone"

    async def test_chat_typing_and_chat_read(
        self, chat_stack: Stack, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        named = {"conversationId": accepted.conversation_id}
        async with (
            listening(chat_stack, accepted.token, **AS_CUSTOMER, **named) as customer,
            listening(chat_stack, token_in(ashik), role="agent", **named) as agent,
        ):
            for socket in (customer, agent):
                await socket.subscribed(accepted)
            for event, more in (("chat:typing", {"typing": True}), ("chat:read", {"seq": 1})):
                for role, one, other in (
                    ("CUSTOMER", customer, agent),
                    ("AGENT", agent, customer),
                ):
                    assert await one.call(event, named | more) == named | more
                    assert await other.next(event) == {**named, **more, "role": role}


async def test_socket_error_payload_structure(
    chat_stack: Stack, jane: Visitor, ashik: dict[str, str]
) -> None:
    """The same in an acknowledgement, and as an event where none was asked for."""
    named = {"conversationId": jane.conversation_id}
    async with listening(chat_stack, token_in(ashik), role="agent", **named) as socket:
        refused = await socket.call("chat:send", {**named, **HELP})
        assert refused.keys() == {"code", "message"}
        assert refused["code"] == "not_assigned"
        await socket.client.emit("chat:send", {**named, **HELP})
        assert await socket.next("system:error") == refused


class TestErrorHandling:
    async def test_400(self, client: httpx.AsyncClient, jane: Visitor) -> None:
        said(await client.post("/api/customer/sessions", json={}), 400)
        refused = said(
            await client.post(f"{jane.place}/messages", json={"content": ""}, headers=of(jane)),
            400,
        )
        assert refused["detail"][0]["loc"] == ["body", "content"]

    async def test_401(self, client: httpx.AsyncClient, jane: Visitor) -> None:
        said(await client.get(f"{jane.place}/messages"), 401)
        said(await client.get("/api/agent/queue", headers=bearer("nonsense")), 401)

    async def test_403(
        self, client: httpx.AsyncClient, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        said(await client.get("/api/agent/queue", headers=of(jane)), 403)
        said(await client.get(jane.place, headers=ashik), 403)
        body = BOOT | {"agentId": "agent-456"}
        said(await client.post("/api/agent/sessions", json=body, headers=ashik), 403)

    async def test_404_for_what_is_somebody_elses(
        self, client: httpx.AsyncClient, jane: Visitor
    ) -> None:
        other = said(await client.post("/api/customer/sessions", json=SESSION))
        for place in (jane.place, f"{jane.place}/messages"):
            answer = await client.get(place, headers=bearer(other["token"]))
            assert said(answer, 404)["detail"] == "Conversation not found"

    async def test_410(
        self, client: httpx.AsyncClient, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        said(await client.post(f"{accepted.place}/messages", json=HELLO, headers=of(accepted)), 201)
        said(await client.post(f"{accepted.place}/close", headers=of(accepted)))
        for place, headers in (
            (accepted.place, of(accepted)),
            (desk(accepted.conversation_id), ashik),
        ):
            said(await client.post(f"{place}/messages", json=HELLO, headers=headers), 410)
            history = said(await client.get(f"{place}/messages", headers=headers))
            assert [each["content"] for each in history] == ["Hello!"]

    async def test_422(
        self, client: httpx.AsyncClient, jane: Visitor, ashik: dict[str, str]
    ) -> None:
        place = f"{desk(jane.conversation_id)}/messages"
        refused = said(await client.post(place, json=HELP, headers=ashik), 422)
        assert refused["code"] == "not_assigned"


class TestFrontendChecklist:
    async def test_retry_with_a_key_says_it_once(
        self, client: httpx.AsyncClient, jane: Visitor
    ) -> None:
        headers = of(jane) | {"Idempotency-Key": uuid4().hex}
        answers = [
            await client.post(f"{jane.place}/messages", json=HELLO, headers=headers)
            for _ in range(3)
        ]
        assert [answer.status_code for answer in answers] == [201] * 3
        assert len({answer.text for answer in answers}) == 1

    async def test_disconnected_is_told(
        self, chat_stack: Stack, accepted: Visitor, ashik: dict[str, str]
    ) -> None:
        """Her input may be disabled until he is back."""
        named = {"conversationId": accepted.conversation_id}
        as_agent = {"role": "agent", **named}
        async with listening(chat_stack, accepted.token, **AS_CUSTOMER, **named) as customer:
            await customer.subscribed(accepted)

            def told_of_him() -> list[str]:
                events = customer.payloads("system:event")
                return [event["type"] for event in events if event.get("side") == "AGENT"]

            async with listening(chat_stack, token_in(ashik), **as_agent) as agent:
                await agent.subscribed(accepted)
            await customer.until(lambda: told_of_him()[-1:] == ["disconnected"], "he is gone")
            async with listening(chat_stack, token_in(ashik), **as_agent):
                await customer.until(lambda: told_of_him()[-1:] == ["arrived"], "he is back")

    async def test_three_at_once_by_default(
        self, client: httpx.AsyncClient, ashik: dict[str, str]
    ) -> None:
        async def accept_another(status: int) -> Json:
            session = said(await client.post("/api/customer/sessions", json=SESSION))
            place = f"{desk(session['conversationId'])}/accept"
            answer: Json = said(await client.post(place, json=ACCEPT, headers=ashik), status)
            return answer

        for _ in range(3):
            await accept_another(200)
        assert (await accept_another(409))["code"] == "capacity"


class TestTestingUtilities:
    async def test_seed(self, client: httpx.AsyncClient, chat_stack: Stack) -> None:
        admin = bearer(chat_stack.key)
        before = said(await client.get("/api/agent/queue", headers=admin))["totalElements"]
        seeded = said(
            await client.post("/api/admin/seed", json={"conversations": 5}, headers=admin)
        )
        assert seeded["conversations"] == 5
        after = said(await client.get("/api/agent/queue", headers=admin))["totalElements"]
        assert after == before + 5

    async def test_health(self, client: httpx.AsyncClient) -> None:
        health = said(await client.get("/actuator/health"))
        assert health["status"] == "UP"
        assert {part["status"] for part in health["components"].values()} == {"UP"}


def desk(conversation_id: str) -> str:
    """A conversation, for agents."""
    return f"/api/agent/conversations/{conversation_id}"


def of(visitor: Visitor) -> dict[str, str]:
    return bearer(visitor.token)


def said(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401  JSON
    assert answer.status_code == status, answer.text
    return answer.json()


class Socket:
    """A client's; `events` are pairs of name and payload, in the order of arrival."""

    def __init__(self) -> None:
        self.client: socketio.AsyncClient
        self.events: list[tuple[str, Any]] = []

    def take(self, event: str, payload: Any) -> None:  # noqa: ANN401  JSON
        self.events.append((event, payload))

    async def call(self, event: str, payload: Json) -> Json:
        """What it is acknowledged with."""
        answer: Json = await self.client.call(event, payload, timeout=20)
        return answer

    async def subscribed(self, visitor: Visitor) -> None:
        """Make sure of it: the handshake does not say when it is done."""
        answer = await self.call("subscribe", {"conversationId": visitor.conversation_id})
        assert answer["conversationId"] == visitor.conversation_id

    async def next(self, event: str) -> Any:  # noqa: ANN401  JSON
        """The payload of the first event of a name."""
        await self.until(lambda: bool(self.payloads(event)), event)
        return self.payloads(event)[0]

    async def until(self, reached: Callable[[], bool], what: str) -> None:
        async def is_reached() -> bool:
            return reached()

        await until(is_reached, 10, what)

    async def until_it_has(self, seq: int) -> None:
        """An entry of the log."""
        await self.until(lambda: seq in self.seqs, f"entry {seq}")

    def payloads(self, event: str) -> list[Any]:
        return [payload for name, payload in self.events if name == event]

    @property
    def statuses(self) -> list[str]:
        return [event["status"] for event in self.payloads("system:event")]

    @property
    def seqs(self) -> list[int]:
        """Of the log's entries that came, messages and events alike."""
        return [
            payload["message"]["seq"] if name == "chat:message" else payload["seq"]
            for name, payload in self.events
            if name in ("chat:message", "system:event")
        ]


@asynccontextmanager
async def listening(stack: Stack, token: str, **query: object) -> AsyncIterator[Socket]:
    """A socket with the query that the document shows."""
    socket = Socket()
    async with connected(stack.url, token, socket.take, **query) as socket.client:
        yield socket


def token_in(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")
