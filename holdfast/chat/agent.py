"""`holdfast chat agent`: a desk in a terminal."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from domain.errors import HoldfastError
from domain.models import Side
from holdfast.chat.line import Line
from holdfast.chat.log import Log
from holdfast.chat.rest import Rest
from holdfast.chat.telling import customer_of, told_event, told_message, told_queue
from holdfast.chat.terminal import Terminal, first_of
from holdfast.sentences import sentence

_WELCOME = """\
/accept [number] takes who waits, without a number the one who has waited longest. Then write, and
press Enter. /next turns to another of your conversations, /close [reason] ends this one, /release
puts it back into the queue, /ticket goes on with it as a ticket, /queue shows who waits, and /quit
ends your shift."""
_LOOK_EVERY = 2.0
"""Seconds. Others, and the allocator, may give us conversations."""


async def chat_as_agent(url: str, token: Callable[[], str], terminal: Terminal) -> None:
    async with Rest(url, token) as rest:
        session = await rest.post("/api/agent/sessions")
        await Agent(rest, token, session, terminal).work()


class Agent:
    def __init__(
        self, rest: Rest, token: Callable[[], str], session: dict[str, Any], terminal: Terminal
    ) -> None:
        self._rest = rest
        self._terminal = terminal
        self._session = session
        self._logs: dict[str, Log] = {}
        """Of all conversations that were ours, so that none is shown twice."""
        self._mine: dict[str, str] = {}
        """The customers' names by conversation."""
        self._current: str | None = None
        self._queue: list[dict[str, Any]] = []
        self._looking = asyncio.Lock()
        self._changed = asyncio.Event()
        self._line = Line(
            rest.url, token, hear=self.hear, wanted=self._subscriptions, notice=terminal.say
        )

    async def work(self) -> None:
        self._terminal.say(f"You are online as {self._session['displayName']}.\n{_WELCOME}")
        self._queue = self._session["queue"]["entries"]
        self._terminal.say(told_queue(self._queue))
        await first_of(self._line.keep(), self._obey(), self._keep_looking())

    def hear(self, event: str, payload: Any) -> None:  # noqa: ANN401  JSON
        match event:
            case "queue:snapshot":
                self._show_queue(payload)
            case "system:error":
                self._terminal.say(payload["message"])
            case "chat:message" | "system:event":
                log = self._logs.get(payload["conversationId"])
                if log is not None and log.is_new(event, payload):
                    self._show(event, payload)

    def _show(self, event: str, payload: dict[str, Any]) -> None:
        if event == "chat:message":
            told: str | None = told_message(payload["message"])
        else:
            told = told_event(payload, Side.AGENT)
            self._changed.set()
        if told is not None:
            conversation_id = payload["conversationId"]
            elsewhere = len(self._mine) > 1 and conversation_id != self._current
            whose = f"[{self._mine.get(conversation_id, 'left')}] " if elsewhere else ""
            self._terminal.say(f"{whose}{told}")

    def _show_queue(self, entries: list[dict[str, Any]]) -> None:
        """As often as somebody comes or goes."""
        is_news = _who(entries) != _who(self._queue)
        self._queue = entries
        if is_news:
            self._terminal.say(told_queue(entries))

    def _subscriptions(self) -> list[dict[str, object]]:
        return [{"scope": "queue"}, *(self._logs[each].subscription() for each in self._mine)]

    async def _keep_looking(self) -> None:
        while True:
            # The server may be away; the line tells of that.
            with suppress(HoldfastError):
                await self._look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_EVERY)
            self._changed.clear()

    async def _look(self) -> None:
        """Find out which conversations are ours, and follow them."""
        async with self._looking:
            found = await self._rest.get("/api/agent/conversations?size=100")
            names = {each["id"]: customer_of(each) for each in found}
            new = [each for each in names if each not in self._mine]
            self._mine = names
            if self._current not in names:
                self._turn_to(next(iter(names), None))
            for conversation_id in new:
                log = self._logs.setdefault(conversation_id, Log(conversation_id))
                await self._line.ask("subscribe", log.subscription())

    def _turn_to(self, conversation_id: str | None) -> None:
        if conversation_id is not None and conversation_id != self._current:
            self._terminal.say(f"You are talking with {self._mine[conversation_id]}.")
        self._current = conversation_id

    async def _obey(self) -> None:
        async for line in self._terminal.lines():
            try:
                if line == "/quit":
                    break
                await self._do(line)
            except HoldfastError as error:
                self._terminal.say(f"Not done: {line}\n{sentence(error)}")
        await self._rest.post("/api/agent/sessions", {"status": "offline"})
        self._terminal.say("Your shift has ended.")

    async def _do(self, line: str) -> None:
        match line.split(maxsplit=1):
            case ["/accept", *number]:
                await self._accept(number[0] if number else "1")
            case ["/next"]:
                others = list(self._mine)
                if self._current is not None:
                    self._turn_to(others[(others.index(self._current) + 1) % len(others)])
            case ["/queue"]:
                self._terminal.say(told_queue(self._queue))
            case ["/close", *reason]:
                await self._end("close", {"reason": reason[0]} if reason else {})
            case ["/release"]:
                await self._end("release", {})
            case ["/ticket"]:
                ticket = await self._end("to-ticket", {})
                if ticket is not None:
                    self._terminal.say(f"It goes on as ticket #{ticket['number']}.")
            case [command, *_] if command.startswith("/"):
                self._terminal.say(_WELCOME)
            case _ if self._has_one():
                await self._line.ask(
                    "chat:send",
                    {"conversationId": self._current, "content": line, "clientId": uuid4().hex},
                )

    async def _accept(self, number: str) -> None:
        place = int(number) if number.isdecimal() else 0
        if not 0 < place <= len(self._queue):
            self._terminal.say(f"Nobody waits as number {number}." if place else "Say a number.")
            return
        conversation_id = self._queue[place - 1]["conversationId"]
        await self._rest.post(f"/api/agent/conversations/{conversation_id}/accept")
        await self._look()
        if conversation_id in self._mine:
            self._turn_to(conversation_id)

    async def _end(self, how: str, body: dict[str, object]) -> Any:  # noqa: ANN401  JSON
        """None when there is nothing to end."""
        if not self._has_one():
            return None
        answer = await self._rest.post(f"/api/agent/conversations/{self._current}/{how}", body)
        await self._look()
        return answer

    def _has_one(self) -> bool:
        if self._current is None:
            self._terminal.say("You have no conversation. /accept takes who waits longest.")
        return self._current is not None


def _who(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["conversationId"] for entry in entries]
