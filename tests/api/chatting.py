"""Visitors and agents of the live chat, as tests play them over HTTP."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from domain.ids import parse_customer_id
from domain.principals import Role
from tests.api.conftest import JudgingEngine
from tests.api.people import as_, bearer

Json = dict[str, Any]

JANE = {"fingerprint": "client-generated-id", "displayName": "Jane Doe", "contact": "0123456789"}
ASHIK = as_(Role.AGENT, "agent-123", name="Ashik")
BEA = as_(Role.AGENT, "bea", name="Bea")
ADMIN = as_(Role.ADMIN, "boss", name="Boss")


@dataclass(frozen=True)
class Visitor:
    """A new visitor, and the headers with which they come."""

    session: Json
    headers: dict[str, str]

    @property
    def conversation_id(self) -> str:
        return str(self.session["conversationId"])

    @property
    def customer_id(self) -> UUID:
        return parse_customer_id(self.session["visitorId"])

    @property
    def place(self) -> str:
        return f"/api/customer/conversations/{self.conversation_id}"

    @property
    def desk(self) -> str:
        """The same conversation, for agents."""
        return f"/api/agent/conversations/{self.conversation_id}"


class Chat:
    """Does what front ends do."""

    def __init__(self, client: httpx.AsyncClient, engine: JudgingEngine) -> None:
        self.client = client
        self.engine = engine

    async def visit(self, headers: dict[str, str] | None = None, **changes: object) -> Visitor:
        answer = await self.client.post(
            "/api/customer/sessions", json=JANE | changes, headers=headers
        )
        session = said(answer)
        return Visitor(session, bearer(session["token"]))

    async def waiting(self, **changes: object) -> Visitor:
        """A visitor who has said something, and waits."""
        visitor = await self.visit(None, **changes)
        await self.ask(visitor)
        return visitor

    async def accepted(self, by: dict[str, str] = ASHIK, **changes: object) -> Visitor:
        """A visitor whose conversation an agent has."""
        visitor = await self.waiting(**changes)
        said(await self.client.post(f"{visitor.desk}/accept", headers=by))
        return visitor

    async def closed(self) -> Visitor:
        visitor = await self.accepted()
        said(await self.client.post(f"{visitor.desk}/close", headers=ASHIK))
        return visitor

    async def ask(self, visitor: Visitor, content: str = "Hello!", **body: object) -> Json:
        answer = await self.client.post(
            f"{visitor.place}/messages", json={"content": content, **body}, headers=visitor.headers
        )
        message: Json = said(answer, 201)
        return message

    async def reply(
        self,
        visitor: Visitor,
        content: str = "How can I help?",
        by: dict[str, str] = ASHIK,
        **body: object,
    ) -> Json:
        answer = await self.client.post(
            f"{visitor.desk}/messages", json={"content": content, **body}, headers=by
        )
        message: Json = said(answer, 201)
        return message

    async def state(self, visitor: Visitor) -> Json:
        """The conversation, once its workflow has looked."""
        await self.engine.hear(UUID(visitor.conversation_id))
        state: Json = said(await self.client.get(visitor.place, headers=visitor.headers))
        return state


def said(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401  JSON
    assert answer.status_code == status, answer.text
    return answer.json()


def code(answer: httpx.Response) -> tuple[int, str]:
    """What was refused, and why."""
    return answer.status_code, answer.json()["code"]
