"""The live chat as visitors and agents use it over REST: coming, accepting, writing, closing."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from bench.client.http import Http
from bench.desk import Desk
from bench.house import AGENT, House
from bench.timing import side_by_side

_ROOM = 1_000
"""Conversations that an agent takes at once: capacity is not what is measured."""
_TAKEN = 409


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has come to chat. The token may do in this conversation what a customer may."""

    conversation_id: str
    token: str


class Chat:
    """Everybody calls with a token of their own, over connections that all share."""

    def __init__(self, http: Http, desk: Desk, house: House, callers: int) -> None:
        self._http = http
        self._desk = desk
        self._house = house
        self._callers = callers
        self._numbers = count()

    async def come(self) -> Visitor:
        """A new visitor, who waits in the queue from now on."""
        body = {"fingerprint": f"bench-{next(self._numbers)}", "displayName": "Ada"}
        session = (await self._http.post("/api/customer/sessions", body)).json()
        return Visitor(session["conversationId"], session["token"])

    async def fill_queue(self, number: int) -> list[Visitor]:
        """So many new visitors, whose workflows have handled their coming."""
        visitors: list[Visitor] = []

        async def come(_: int) -> None:
            visitors.append(await self.come())

        await side_by_side(self._callers, number, come)
        await self._desk.until_handled()
        return visitors

    async def begin_shifts(self, agent_ids: Iterable[str]) -> list[str]:
        """Bring agents online who have room for all; returns their tokens."""
        tokens: list[str] = []
        for agent_id in agent_ids:
            await self._desk.http.put(f"/api/admin/agents/{agent_id}", {"capacity": _ROOM})
            token = self._house.token_of(agent_id)
            await self._http.post("/api/agent/sessions", {"status": "online"}, token=token)
            tokens.append(token)
        return tokens

    async def accept(self, visitor: Visitor, agent_token: str) -> bool:
        """False when another agent was faster."""
        path = f"/api/agent/conversations/{visitor.conversation_id}/accept"
        answer = await self._http.post(path, {}, token=agent_token, refusal=_TAKEN)
        return answer.status != _TAKEN

    async def begin_conversations(self, number: int) -> list[Visitor]:
        """So many visitors, all accepted by the agent whose token is the house's."""
        [agent] = await self.begin_shifts([AGENT])
        visitors = await self.fill_queue(number)

        async def accept(which: int) -> None:
            await self.accept(visitors[which], agent)

        await side_by_side(self._callers, number, accept)
        await self._desk.until_handled()
        return visitors

    async def write(self, visitor: Visitor, content: str) -> None:
        path = f"/api/customer/conversations/{visitor.conversation_id}/messages"
        await self._http.post(path, {"content": content}, token=visitor.token)

    async def close(self, visitors: Sequence[Visitor]) -> None:
        """Visitors go; what they leave is handled: nothing of it slows what is measured next."""

        async def close_one(which: int) -> None:
            visitor = visitors[which]
            path = f"/api/customer/conversations/{visitor.conversation_id}/close"
            await self._http.post(path, {}, token=visitor.token)

        # A thousand who have just come are a minute's work; whoever goes meanwhile would wait.
        await self._desk.until_handled()
        await side_by_side(self._callers, len(visitors), close_one)
        await self._desk.until_handled()


@asynccontextmanager
async def open_chat(house: House, desk: Desk, callers: int) -> AsyncIterator[Chat]:
    http = Http(house.url)
    try:
        yield Chat(http, desk, house, callers)
    finally:
        http.close()
