"""What one client asks for, and how it is told what has become of it.

Calls are handled one after the other, so that a client can rely on their order. What a workflow
has to judge may take as long as the engine is given: when its turn comes, it goes on in a line of
its own, and the calls after it do not wait.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from api.errors import answer
from api.socket_commands import Answer, Caller, Command
from api.socket_receiver import Call
from api.socket_tasks import Tasks
from api.streams import Gone
from domain.errors import DatabaseUnavailable, HoldfastError, InvalidRequest, TooManyRequests

ARRIVAL = "connect"
"""What we ask for in a client's name, uncounted, when it has come: clients cannot call it so, see
`api.socket_frames`."""
_MAX_WAITING = 64
"""Calls of one client that may wait for their turn. Who sends more does not wait for answers."""
_JUDGED_AT_ONCE = 8
_MAX_JUDGED_WAITING = 32
"""More are refused. While the engine is away, the last of these waits five times its patience."""
_RETRY_AFTER = 10


class Replies(Protocol):
    """The way back to the clients."""

    def answer(self, sid: str, ack: int, result: object) -> None: ...

    def send(self, event: str, payload: Mapping[str, Any], to: list[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Commands:
    """By the event that asks for them; `judged` are those that wait for a workflow."""

    prompt: Mapping[str, Command]
    judged: Mapping[str, Command]


class Inbox:
    """What one client asks for. `admit` is awaited before each call, and may raise its refusal.

    What has come in is done even if the client leaves meanwhile: it was said.
    """

    __slots__ = ("_admit", "_caller", "_calls", "_commands", "_judged", "_replies")

    def __init__(
        self,
        caller: Caller,
        commands: Commands,
        replies: Replies,
        admit: Callable[[], Awaitable[None]],
        tasks: Tasks,
    ) -> None:
        self._caller = caller
        self._commands = commands
        self._replies = replies
        self._admit = admit
        self._calls = Line(self._handle, tasks, at_once=1, longest=_MAX_WAITING)
        self._judged = Line(
            self._have_judged, tasks, at_once=_JUDGED_AT_ONCE, longest=_MAX_JUDGED_WAITING
        )

    def put(self, call: Call) -> bool:
        """False when it is full. Never waits."""
        return self._calls.put(call)

    async def _handle(self, call: Call) -> None:
        with self._refusing(call):
            if call.event != ARRIVAL:
                await self._admit()
            if call.event in self._commands.judged:
                if not self._judged.put(call):
                    raise TooManyRequests(_RETRY_AFTER)
                return
            command = self._commands.prompt.get(call.event)
            if command is None:
                raise InvalidRequest("There is no such event.")
            await self._obey(command, call)

    async def _have_judged(self, call: Call) -> None:
        with self._refusing(call):
            await self._obey(self._commands.judged[call.event], call)

    async def _obey(self, command: Command, call: Call) -> None:
        result = await command(self._caller, call.arguments)
        if call.ack is not None:
            self._replies.answer(self._caller.sid, call.ack, result)

    @contextmanager
    def _refusing(self, call: Call) -> Iterator[None]:
        """Tell the client why a call is not done."""
        try:
            yield
        except Gone:
            return
        except Exception as error:  # noqa: BLE001  the client is told, and faults are logged
            refusal = refusal_of(error)
            if call.ack is not None:
                self._replies.answer(self._caller.sid, call.ack, refusal)
            if call.ack is None or call.event == "subscribe":
                self._replies.send("system:error", refusal, [self._caller.sid])


class Line:
    """Calls that wait for their turn; `at_once` of them are being handled."""

    __slots__ = ("_at_once", "_busy", "_handle", "_longest", "_tasks", "_waiting")

    def __init__(
        self, handle: Callable[[Call], Awaitable[None]], tasks: Tasks, *, at_once: int, longest: int
    ) -> None:
        self._handle = handle
        self._tasks = tasks
        self._at_once = at_once
        self._longest = longest
        self._busy = 0
        # No deque: an empty one takes more memory than all else that is kept of an idle client.
        self._waiting: list[Call] = []

    def put(self, call: Call) -> bool:
        """False when so many are waiting that no more are taken. Never waits."""
        if self._busy < self._at_once:
            self._busy += 1
            self._tasks.start(self._work(call))
            return True
        if len(self._waiting) >= self._longest:
            return False
        self._waiting.append(call)
        return True

    async def _work(self, call: Call) -> None:
        try:
            await self._handle(call)
            while self._waiting:
                await self._handle(self._waiting.pop(0))
        finally:
            self._busy -= 1


def refusal_of(error: Exception) -> Answer:
    """As clients are told it. What is no HoldfastError is an outage, or a fault of ours."""
    if not isinstance(error, HoldfastError):
        # `answer` tells the one from the other, and logs the fault.
        is_outage = answer(error).status_code == 503
        error = DatabaseUnavailable() if is_outage else HoldfastError()
    return {"code": error.code, "message": str(error)}
