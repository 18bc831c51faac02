"""Seed 002, team chat and its assistant: what the document shows is what a front end sees.

Its requests are sent as they are written; its sockets are those of the JavaScript client.
"""

import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
import pytest_asyncio

from tests.api.test_sockets_javascript import FOLDER, Browser, browser
from tests.e2e.load import open_ticket
from tests.e2e.stack import Stack

Json = dict[str, Any]

WEBSOCKET = ["websocket"]
needs_javascript = pytest.mark.skipif(
    not (FOLDER / "node_modules").exists(), reason="tests/install brings the JavaScript packages"
)


class Colleague:
    """A user of the document, whose tokens say `userId`."""

    def __init__(self, stack: Stack, user_id: int, name: str) -> None:
        secret = stack.data.jwt_secret()
        assert secret is not None
        self.id = user_id
        self.name = name
        self.email = f"{name.lower()}@example.com"
        claims = {"userId": user_id, "email": self.email, "name": name, "role": "agent"}
        self.token = jwt.encode(claims | {"exp": int(time.time()) + 3600}, secret, "HS256")
        self.headers = {"Authorization": f"Bearer {self.token}"}


def said(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401  JSON
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest_asyncio.fixture
async def client(chat_stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=chat_stack.url, timeout=20) as client:
        yield client


@pytest_asyncio.fixture
async def team(client: httpx.AsyncClient, chat_stack: Stack) -> tuple[Colleague, Colleague]:
    """Two users who have signed in, and whom no other test knows."""
    number = uuid4().int % 10**12
    both = (Colleague(chat_stack, number, "Ada"), Colleague(chat_stack, number + 1, "Ben"))
    for colleague in both:
        said(await client.get("/api/chat/users/online", headers=colleague.headers))
    return both


class TestRest:
    async def test_get_online_users(
        self, client: httpx.AsyncClient, team: tuple[Colleague, Colleague]
    ) -> None:
        ada, ben = team
        users = said(await client.get("/api/chat/users/online", headers=ada.headers))
        assert ada.id not in [user["id"] for user in users]
        seen = [user["last_activity"] for user in users if user["last_activity"]]
        assert seen == sorted(seen, reverse=True)
        row = next(user for user in users if user["id"] == ben.id)
        assert datetime.fromisoformat(row.pop("last_activity")).tzinfo
        assert row == {
            "id": ben.id,
            "name": "Ben",
            "email": "ben@example.com",
            "department": None,
            "status": "online",
        }

    async def test_send_message(
        self, client: httpx.AsyncClient, team: tuple[Colleague, Colleague]
    ) -> None:
        ada, ben = team
        body = {"receiverId": ben.id, "message": "Are you free?", "type": "text"}
        sent = said(await client.post("/api/chat/messages", json=body, headers=ada.headers), 201)
        assert sent["success"] is True
        history = said(await client.get(f"/api/chat/messages/{ada.id}", headers=ben.headers))
        assert [(each["id"], each["text"]) for each in history] == [(sent["id"], "Are you free?")]
        said(await client.post(f"/api/chat/messages/{ada.id}/read", headers=ben.headers))
        assert said(await client.get("/api/chat/unread", headers=ben.headers))["total"] == 0
        contacts = said(await client.get("/api/chat/contacts/frequent", headers=ben.headers))
        assert [contact["id"] for contact in contacts] == [ada.id]

    async def test_authenticate_token(self, client: httpx.AsyncClient, chat_stack: Stack) -> None:
        missing = await client.get("/api/chat/users/online")
        assert said(missing, 401) == {"error": "Access token required"}
        bad = {"Authorization": "Bearer <your-jwt-token>"}
        refused = await client.get("/api/chat/users/online", headers=bad)
        assert said(refused, 403) == {"error": "Invalid token"}


class TestAssistant:
    async def ask(self, client: httpx.AsyncClient, who: Colleague, message: str) -> str:
        body = {"message": message, "page": "/dashboard"}
        answer = await client.post("/api/aichat/ask", json=body, headers=who.headers)
        reply: str = said(answer)["reply"]
        return reply

    async def test_show_my_open_tickets(
        self, client: httpx.AsyncClient, chat_stack: Stack, team: tuple[Colleague, Colleague]
    ) -> None:
        ada, ben = team
        async with chat_stack.client() as back_end:
            ticket_id = await open_ticket(back_end, subject="Printer on fire")
            url = f"/api/tickets/{ticket_id}/assign?agent_id={ada.id}"
            said(await back_end.put(url))
            ticket = said(await back_end.get(f"/api/tickets/{ticket_id}"))
        reply = await self.ask(client, ada, "Show my open tickets")
        assert reply.startswith("You have 1 open ticket")
        assert f"#{ticket['number']}" in reply
        assert "Printer on fire" in reply
        assert "Printer on fire" not in await self.ask(client, ben, "Show my open tickets")

    @pytest.mark.parametrize(
        ("message", "words"),
        [
            ("What about our SLA?", "SLA"),
            ("System status", "atabase"),
            ("Team performance", "eam"),
            ("Tell me a joke", "I can help you with:"),
        ],
    )
    async def test_what_else_it_knows(
        self,
        client: httpx.AsyncClient,
        team: tuple[Colleague, Colleague],
        message: str,
        words: str,
    ) -> None:
        assert words in await self.ask(client, team[0], message)

    async def test_authenticate_token(self, client: httpx.AsyncClient) -> None:
        missing = await client.post("/api/aichat/ask", json={"message": "sla"})
        assert said(missing, 401) == {"error": "Access token required"}


@needs_javascript
class TestSocket:
    async def test_new_message(
        self, client: httpx.AsyncClient, chat_stack: Stack, team: tuple[Colleague, Colleague]
    ) -> None:
        """Over the socket and over REST, on every device; the sender's other one has it too."""
        ada, ben = team
        async with (
            browser(chat_stack, ada.token, WEBSOCKET) as phone,
            browser(chat_stack, ada.token, WEBSOCKET) as laptop,
            browser(chat_stack, ben.token, WEBSOCKET) as ben_s,
        ):
            for listener in (phone, laptop, ben_s):
                await following(listener)
            message = {"receiverId": ben.id, "message": "Hello!", "type": "text"}
            await phone.order({"event": "send_message", "payload": message})
            await phone.until(lambda: any("success" in each for each in answers(phone)))
            sent = answers(phone)[-1]
            for listener in (laptop, ben_s):
                told = await first(listener, "new_message")
                assert (told["id"], told["timestamp"]) == (sent["id"], sent["timestamp"])
                assert (told["senderId"], told["text"]) == (ada.id, "Hello!")
                assert told["type"] == "text"
            assert (await first(ben_s, "notification"))["kind"] == "message"
            body = {"receiverId": ada.id, "message": "Hi."}
            said(await client.post("/api/chat/messages", json=body, headers=ben.headers), 201)
            assert (await first(phone, "new_message"))["text"] == "Hi."

    async def test_what_was_missed(
        self, client: httpx.AsyncClient, chat_stack: Stack, team: tuple[Colleague, Colleague]
    ) -> None:
        ada, ben = team
        ids = []
        for number in range(3):
            body = {"receiverId": ben.id, "message": str(number)}
            answer = await client.post("/api/chat/messages", json=body, headers=ada.headers)
            ids.append(said(answer, 201)["id"])
        async with browser(chat_stack, ben.token, WEBSOCKET, afterMessageId=ids[0]) as listener:
            await listener.until(lambda: len(payloads(listener, "new_message")) == 2)
            assert [told["id"] for told in payloads(listener, "new_message")] == ids[1:]

    async def test_typing_and_presence(
        self, chat_stack: Stack, team: tuple[Colleague, Colleague]
    ) -> None:
        ada, ben = team
        async with browser(chat_stack, ben.token, WEBSOCKET) as listener:
            await following(listener)
            async with browser(chat_stack, ada.token, WEBSOCKET) as other:
                online = {"userId": ada.id, "status": "online"}
                await listener.until(lambda: online in payloads(listener, "presence"))
                typing = {"receiverId": ben.id, "typing": True}
                await other.order({"event": "typing", "payload": typing})
                assert (await first(listener, "typing"))["userId"] == ada.id
                await other.order({"event": "presence", "payload": {"status": "busy"}})
                busy = {"userId": ada.id, "status": "busy"}
                await listener.until(lambda: busy in payloads(listener, "presence"))
            gone = {"userId": ada.id, "status": "offline"}
            await listener.until(lambda: gone in payloads(listener, "presence"))

    async def test_no_connection_without_a_token(self, chat_stack: Stack) -> None:
        async with browser(chat_stack, "nonsense", WEBSOCKET) as listener:
            assert await listener.hear("refused") == "Invalid authentication token"


async def following(listener: Browser) -> None:
    """Once it follows its user's messages."""
    await listener.order({"event": "subscribe", "payload": {"scope": "team"}})
    await listener.hear("answer")


def payloads(listener: Browser, event: str) -> list[Json]:
    return [line["payload"] for line in listener.told if line.get("event") == event]


def answers(listener: Browser) -> list[Json]:
    return [line["answer"] for line in listener.told if "answer" in line]


async def first(listener: Browser, event: str) -> Json:
    """A listener's first event of a name."""
    await listener.until(lambda: payloads(listener, event))
    return payloads(listener, event)[0]
