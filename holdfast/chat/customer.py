"""`holdfast chat customer`: come to chat, as a visitor does."""

import asyncio
from typing import Any
from uuid import uuid4

from domain.errors import HoldfastError
from domain.models import EventType, Side
from holdfast.chat.line import Line
from holdfast.chat.log import Log
from holdfast.chat.rest import Rest
from holdfast.chat.telling import told_event, told_message
from holdfast.chat.terminal import Terminal, first_of
from holdfast.sentences import sentence

_WELCOME = """\
Write, and press Enter. /close ends the conversation, /ticket [email] leaves it as a ticket
instead of waiting, /quit just goes."""


async def chat_as_customer(url: str, name: str | None, terminal: Terminal) -> None:
    token: str | None = None
    async with Rest(url, lambda: token) as rest:
        visit = {"fingerprint": f"terminal-{uuid4().hex}", "displayName": name}
        session = await rest.post("/api/customer/sessions", visit)
        token = session["token"]
        await Customer(rest, session, terminal).chat()


class Customer:
    def __init__(self, rest: Rest, session: dict[str, Any], terminal: Terminal) -> None:
        self._rest = rest
        self._terminal = terminal
        self._log = Log(session["conversationId"])
        self._path = f"/api/customer/conversations/{self._log.conversation_id}"
        self._over = asyncio.Event()
        self._doing = asyncio.Lock()
        self._line = Line(
            rest.url,
            lambda: str(session["token"]),
            hear=self.hear,
            wanted=lambda: [self._log.subscription()],
            notice=terminal.say,
        )

    async def chat(self) -> None:
        self._terminal.say(_WELCOME)
        await first_of(self._line.keep(), self._obey(), self._ended())

    def hear(self, event: str, payload: Any) -> None:  # noqa: ANN401  JSON
        match event:
            case "chat:message" if self._log.is_new(event, payload):
                self._terminal.say(told_message(payload["message"]))
            case "system:event" if self._log.is_new(event, payload):
                told = told_event(payload, Side.CUSTOMER)
                if told is not None:
                    self._terminal.say(told)
                if payload["type"] == EventType.CLOSED:
                    self._over.set()
            case "system:error":
                self._terminal.say(payload["message"])

    async def _ended(self) -> None:
        await self._over.wait()
        # Had we asked for it, the answer comes as well, and says more.
        async with self._doing:
            pass

    async def _obey(self) -> None:
        async for line in self._terminal.lines():
            try:
                async with self._doing:
                    if await self._do(line):
                        return
            except HoldfastError as error:
                self._terminal.say(f"Not done: {line}\n{sentence(error)}")

    async def _do(self, line: str) -> bool:
        """Whether it was the last thing to do."""
        match line.split(maxsplit=1):
            case ["/quit"]:
                return True
            case ["/close"]:
                await self._rest.post(f"{self._path}/close")
                self._terminal.say("You have closed the conversation.")
                return True
            case ["/ticket", *email]:
                body = {"email": email[0]} if email else None
                ticket = await self._rest.post(f"{self._path}/to-ticket", body)
                self._terminal.say(f"It goes on as ticket #{ticket['number']}.")
                return True
            case [command, *_] if command.startswith("/"):
                self._terminal.say(_WELCOME)
            case _:
                await self._line.ask(
                    "chat:send",
                    {
                        "conversationId": self._log.conversation_id,
                        "content": line,
                        "clientId": uuid4().hex,
                    },
                )
        return False
