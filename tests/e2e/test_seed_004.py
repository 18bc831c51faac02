"""Seed 004 from its first line on: what the document shows is what a client sees."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.e2e.conftest import SECRETS
from tests.e2e.load import new_ticket, open_ticket
from tests.e2e.stack import Stack

Json = dict[str, Any]
Sign = Callable[[bytes], dict[str, str]]

AGENT = "agent-uuid"
CREATE: Json = {
    "source": {
        "channel": "whatsapp",
        "origin_platform_id": "+15550100",
        "is_bot_handoff": False,
    },
    "customer": {
        "internal_id": "",
        "name": "John Doe",
        "primary_email": "john@example.com",
        "channel_identity": "+15550100",
    },
    "subject": "Cannot complete checkout",
    "initial_message": "I'm getting an error when trying to pay",
    "priority": "high",
    "tags": ["billing", "checkout"],
}


@pytest.fixture(scope="module")
def tokens(shared_stack: Stack) -> dict[str, str]:
    """From the command line, which takes its time."""
    made = shared_stack.house.run("key", "create", "--name", "seed 004", "--scope", "tickets")
    return {
        "back end": made.stdout.strip(),
        "agent": shared_stack.token("agent", AGENT, "--name", "Ann"),
        "john": shared_stack.token("customer", "john", "--email", "john@example.com"),
    }


@pytest_asyncio.fixture
async def back_end(stack: Stack, tokens: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The caller of most examples, with a service key."""
    async with stack.client(tokens["back end"]) as client:
        yield client


@pytest_asyncio.fixture
async def agent(stack: Stack, tokens: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client(tokens["agent"]) as client:
        yield client


@pytest_asyncio.fixture
async def john(stack: Stack, tokens: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The customer of the examples, who is known by his e-mail."""
    async with stack.client(tokens["john"]) as client:
        yield client


@pytest_asyncio.fixture
async def ticket(back_end: httpx.AsyncClient) -> Json:
    """The ticket of the examples, new."""
    created: Json = said(await back_end.post("/api/tickets/create", json=CREATE), 201)
    return created


class TestHealthAndStatus:
    async def test_health_check(self, stack: Stack) -> None:
        async with httpx.AsyncClient(base_url=stack.url) as anybody:
            health = said(await anybody.get("/api/health"))
        datetime.fromisoformat(health.pop("timestamp"))
        assert health == {"status": "healthy", "service": "omnichannel-support-api"}

    async def test_readiness_check(self, stack: Stack) -> None:
        async with httpx.AsyncClient(base_url=stack.url) as anybody:
            readiness = said(await anybody.get("/api/ready"))
        datetime.fromisoformat(readiness["timestamp"])
        assert readiness["ready"] is True


class TestTickets:
    async def test_create_ticket(self, ticket: Json) -> None:
        customer = CREATE["customer"] | {
            "internal_id": ticket["customer"]["internal_id"],
            "presence": None,
        }
        assert customer["internal_id"].startswith("cust_")
        assert ticket["ticket_id"].startswith("tkt_")
        assert datetime.fromisoformat(ticket["created_at"]).tzinfo
        assert datetime.fromisoformat(ticket["updated_at"]).tzinfo
        expected = {
            "status": "new",
            "priority": "high",
            "assigned_agent_id": None,
            "tags": ["billing", "checkout"],
            "source": CREATE["source"],
            "customer": customer,
            "subject": "Cannot complete checkout",
        }
        assert expected.items() <= ticket.items()
        (message,) = ticket["timeline"]
        assert message["message_id"].startswith("msg_")
        assert datetime.fromisoformat(message["timestamp"]).tzinfo
        expected = {
            "sender_type": "customer",
            "content": "I'm getting an error when trying to pay",
            "content_type": "text",
            "visibility": "public",
        }
        assert expected.items() <= message.items()

    async def test_get_ticket(self, back_end: httpx.AsyncClient, ticket: Json) -> None:
        assert said(await back_end.get(f"/api/tickets/{ticket['ticket_id']}")) == ticket

    async def test_get_ticket_by_any_spelling_of_its_id(
        self, back_end: httpx.AsyncClient, ticket: Json
    ) -> None:
        digits = ticket["ticket_id"].removeprefix("tkt_")
        uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        for spelling in (uuid, ticket["number"]):
            assert said(await back_end.get(f"/api/tickets/{spelling}")) == ticket

    async def test_get_ticket_that_is_not_there(self, back_end: httpx.AsyncClient) -> None:
        answer = await back_end.get("/api/tickets/tkt_abc123xyz")
        assert said(answer, 404)["detail"] == "Ticket not found"

    async def test_update_ticket(self, agent: httpx.AsyncClient, ticket: Json) -> None:
        changes = {"status": "resolved", "priority": "medium", "tags": ["billing", "resolved"]}
        answer = await agent.put(f"/api/tickets/{ticket['ticket_id']}", json=changes)
        assert ({"ticket_id": ticket["ticket_id"]} | changes).items() <= said(answer).items()

    async def test_add_message_to_ticket(self, agent: httpx.AsyncClient, ticket: Json) -> None:
        message = {
            "content": "I've processed your refund. You should see it in 3-5 business days.",
            "sender_type": "agent",
            "visibility": "public",
            "attachments": [],
        }
        answer = await agent.post(f"/api/tickets/{ticket['ticket_id']}/message", json=message)
        shown = said(answer)
        assert shown["ticket_id"] == ticket["ticket_id"]
        assert shown["timeline"][0] == ticket["timeline"][0]
        assert (message | {"agent_id": AGENT}).items() <= shown["timeline"][-1].items()

    async def test_get_ticket_status(
        self, back_end: httpx.AsyncClient, agent: httpx.AsyncClient, ticket: Json
    ) -> None:
        place = f"/api/tickets/{ticket['ticket_id']}"
        before = said(await back_end.get(f"{place}/status"))
        assert (before["status"], before["has_agent_reply"]) == ("new", False)
        assert before["last_agent_message"] is None
        shown = said(await agent.post(f"{place}/message", json={"content": "Refunded."}))
        said(await agent.put(place, json={"status": "open"}))
        after = said(await back_end.get(f"{place}/status"))
        assert datetime.fromisoformat(after.pop("last_updated")).tzinfo
        (reply,) = [each for each in shown["timeline"] if each["sender_type"] == "agent"]
        assert after == {
            "ticket_id": ticket["ticket_id"],
            "status": "open",
            "has_agent_reply": True,
            "last_agent_message": {
                "message_id": reply["message_id"],
                "timestamp": reply["timestamp"],
                "content": "Refunded.",
            },
        }

    async def test_assign_ticket(
        self, back_end: httpx.AsyncClient, agent: httpx.AsyncClient, ticket: Json
    ) -> None:
        said(await agent.get("/api/tickets/"))  # an agent exists from the first call on
        answer = await back_end.put(f"/api/tickets/{ticket['ticket_id']}/assign?agent_id={AGENT}")
        assigned = said(answer)
        assert assigned["success"] is True
        expected = {"ticket_id": ticket["ticket_id"], "assigned_agent_id": AGENT}
        assert expected.items() <= assigned["ticket"].items()

    async def test_list_tickets(self, agent: httpx.AsyncClient, ticket: Json) -> None:
        said(await agent.put(f"/api/tickets/{ticket['ticket_id']}", json={"status": "open"}))
        page = said(await agent.get("/api/tickets/?status=open&page=1&page_size=20"))
        assert (page["page"], page["page_size"]) == (1, 20)
        assert page["tickets"][0]["ticket_id"] == ticket["ticket_id"]
        assert {each["status"] for each in page["tickets"]} == {"open"}
        assert page["total_count"] >= len(page["tickets"])


class TestWebhooks:
    """Each with the signature of which the seed says that it should be verified."""

    async def tell(self, stack: Stack, path: str, body: Json, headers: Sign) -> None:
        raw = json.dumps(body).encode()
        async with httpx.AsyncClient(base_url=stack.url) as platform:
            refused = await platform.post(f"/api/webhooks/{path}", content=raw)
            assert said(refused, 403)["detail"]
            for _ in range(2):
                answer = await platform.post(
                    f"/api/webhooks/{path}", content=raw, headers=headers(raw)
                )
                assert said(answer) == {"status": "ok"}

    async def ticket_with(self, back_end: httpx.AsyncClient, channel: str, words: str) -> Json:
        """The ticket into which a platform's message went: a customer may have an open one."""
        found = said(await back_end.get("/api/tickets/", params={"q": words}))["tickets"]
        (ticket,) = [each for each in found if each["source"]["channel"] == channel]
        whole: Json = said(await back_end.get(f"/api/tickets/{ticket['ticket_id']}"))
        assert contents(whole).count(words) == 1
        return whole

    async def test_facebook_messenger(self, stack: Stack, back_end: httpx.AsyncClient) -> None:
        message = {"mid": "msg_id", "text": "I need help with my order"}
        event = {"sender": {"id": "1234567890"}, "message": message}
        body = {"object": "page", "entry": [{"messaging": [event]}]}
        await self.tell(stack, "facebook", body, by_meta)
        ticket = await self.ticket_with(back_end, "facebook", message["text"])
        assert ticket["customer"]["channel_identity"] == "1234567890"

    async def test_facebook_verification(self, stack: Stack) -> None:
        asked = "hub.mode=subscribe&hub.verify_token=TOKEN&hub.challenge=12345"
        async with httpx.AsyncClient(base_url=stack.url) as platform:
            answer = await platform.get(f"/api/webhooks/facebook?{asked}")
            assert (answer.status_code, answer.text) == (200, "12345")
            wrong = asked.replace("TOKEN", "token")
            said(await platform.get(f"/api/webhooks/facebook?{wrong}"), 403)

    async def test_whatsapp(self, stack: Stack, back_end: httpx.AsyncClient) -> None:
        words = "Hello, I have a question"
        message = {"from": "+15550100", "id": "wamid.xyz", "text": {"body": words}}
        body = {"entry": [{"changes": [{"value": {"messages": [message]}}]}]}
        await self.tell(stack, "whatsapp", body, by_meta)
        ticket = await self.ticket_with(back_end, "whatsapp", words)
        assert ticket["customer"]["channel_identity"] == "+15550100"

    async def test_twitter(self, stack: Stack, back_end: httpx.AsyncClient) -> None:
        words = "Help with my account"
        created = {"sender_id": "123456", "message_data": {"text": words}}
        body = {"direct_message_events": [{"id": "dm_id", "message_create": created}]}
        await self.tell(stack, "twitter", body, by_x)
        ticket = await self.ticket_with(back_end, "twitter", words)
        assert ticket["customer"]["channel_identity"] == "123456"

    async def test_chatbot_handoff(self, stack: Stack, back_end: httpx.AsyncClient) -> None:
        made = stack.house.run("key", "create", "--name", "chatbot", "--scope", "handoff")
        body = {
            "session_id": "chat_session_xyz",
            "customer_email": "user@example.com",
            "customer_name": "Jane Smith",
            "subject": "Account locked",
            "initial_message": "I've tried resetting my password 3 times but my account is still "
            "locked",
            "priority": "high",
            "tags": ["account_access"],
        }
        async with stack.client(made.stdout.strip()) as chatbot:
            told = said(await chatbot.post("/api/webhooks/chatbot", json=body))
        assert told == {
            "success": True,
            "ticket_id": told["ticket_id"],
            "message": f"Ticket #{told['ticket_id']} created. An agent will respond shortly.",
        }
        ticket = said(await back_end.get(f"/api/tickets/{told['ticket_id']}"))
        assert ticket["source"]["is_bot_handoff"] is True
        assert contents(ticket) == [body["initial_message"]]


class TestCustomers:
    async def test_get_customer_tickets(self, back_end: httpx.AsyncClient, ticket: Json) -> None:
        customer_id = ticket["customer"]["internal_id"]
        tickets = said(await back_end.get(f"/api/customers/{customer_id}/tickets?limit=20"))
        expected = {key: ticket[key] for key in ("ticket_id", "subject", "status", "created_at")}
        assert expected.items() <= tickets[0].items()

    async def test_get_customer_profile(self, back_end: httpx.AsyncClient, ticket: Json) -> None:
        customer_id = ticket["customer"]["internal_id"]
        profile = said(await back_end.get(f"/api/customers/{customer_id}"))
        assert {"customer_id": customer_id, "status": "active"}.items() <= profile.items()


class TestErrorResponses:
    async def test_400(self, agent: httpx.AsyncClient, ticket: Json) -> None:
        answer = await agent.put(f"/api/tickets/{ticket['ticket_id']}", json={})
        assert said(answer, 400)["detail"] == "No updates provided"

    async def test_401(self, stack: Stack) -> None:
        async with stack.client("nonsense") as nobody:
            answer = await nobody.get("/api/tickets/")
        assert said(answer, 401)["detail"] == "Invalid authentication token"

    async def test_403(self, john: httpx.AsyncClient, ticket: Json) -> None:
        answer = await john.put(f"/api/tickets/{ticket['ticket_id']}", json={"status": "closed"})
        assert said(answer, 403)["detail"] == "Insufficient permissions"


class TestWhatTheCustomerSees:
    async def test_own_ticket_without_private_notes(
        self, agent: httpx.AsyncClient, john: httpx.AsyncClient, ticket: Json
    ) -> None:
        place = f"/api/tickets/{ticket['ticket_id']}"
        note = {"content": "He has asked before.", "visibility": "private"}
        for_agents = said(await agent.post(f"{place}/message", json=note))
        assert note["content"] in contents(for_agents)
        said(await agent.post(f"{place}/message", json={"content": "We are at it."}))
        for_john = said(await john.get(place))
        assert contents(for_john)[:2] == [CREATE["initial_message"], "We are at it."]
        assert {each["visibility"] for each in for_john["timeline"]} == {"public"}
        log = said(await john.get(f"{place}/messages"))
        assert note["content"] not in [each["content"] for each in log]
        found = said(await john.get("/api/tickets/", params={"q": "asked before"}))
        assert found["total_count"] == 0

    async def test_no_ticket_of_anybody_else(
        self, back_end: httpx.AsyncClient, john: httpx.AsyncClient
    ) -> None:
        others = await open_ticket(back_end)
        place = f"/api/tickets/{others}"
        for answer in (
            await john.get(place),
            await john.get(f"{place}/status"),
            await john.get(f"{place}/messages"),
            await john.post(f"{place}/message", json={"content": "Mine?"}),
        ):
            assert said(answer, 404)["detail"] == "Ticket not found"
        listed = said(await john.get("/api/tickets/", params={"page_size": 100}))
        assert others not in [each["ticket_id"] for each in listed["tickets"]]

    async def test_follow_up_when_writing_into_a_closed_ticket(
        self, agent: httpx.AsyncClient, john: httpx.AsyncClient, ticket: Json
    ) -> None:
        place = f"/api/tickets/{ticket['ticket_id']}"
        said(await agent.put(place, json={"status": "closed"}))
        said(await agent.post(f"{place}/message", json={"content": "One more thing."}), 409)
        follow_up = said(await john.post(f"{place}/message", json={"content": "Still broken."}))
        assert follow_up["ticket_id"] != ticket["ticket_id"]
        assert follow_up["follow_up_of"] == ticket["ticket_id"]
        assert contents(follow_up) == ["Still broken."]
        again = said(await john.post(f"{place}/message", json={"content": "Anybody?"}))
        assert again["ticket_id"] == follow_up["ticket_id"]
        # Closed is final, and the ticket that follows is alive.
        said(await agent.put(place, json={"status": "open"}), 409)
        said(await agent.put(f"/api/tickets/{again['ticket_id']}", json={"status": "open"}))


async def test_known_customer_is_met_again_by_channel_or_email(
    back_end: httpx.AsyncClient, ticket: Json
) -> None:
    for customer in ({"channel_identity": "+15550100"}, {"primary_email": "JOHN@example.com"}):
        body = new_ticket(source={"channel": "whatsapp"}, customer=customer)
        again = said(await back_end.post("/api/tickets/create", json=body), 201)
        assert again["customer"]["internal_id"] == ticket["customer"]["internal_id"]


def by_meta(body: bytes) -> dict[str, str]:
    mac = hmac.new(SECRETS["META_APP_SECRET"].encode(), body, hashlib.sha256)
    return {"X-Hub-Signature-256": f"sha256={mac.hexdigest()}"}


def by_x(body: bytes) -> dict[str, str]:
    mac = hmac.new(SECRETS["X_CONSUMER_SECRET"].encode(), body, hashlib.sha256)
    signature = base64.b64encode(mac.digest()).decode()
    return {"x-twitter-webhooks-signature": f"sha256={signature}"}


def said(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401  JSON
    assert answer.status_code == status, answer.text
    return answer.json()


def contents(ticket: Json) -> list[str]:
    return [entry["content"] for entry in ticket["timeline"]]
