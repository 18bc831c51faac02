"""The loop that gives waiting conversations to agents, where assignment is automatic."""

import asyncio
from uuid import uuid4

import structlog
from sqlalchemy import exc

from domain.allocation import Match, match
from domain.conversation_life import Accept, ChangeConversation
from domain.errors import HoldfastError, Unavailable
from store import allocator
from store.database import Database
from workers.passed_over import PassedOver
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_PAUSE = 0.25
"""Seconds between two looks at queue and agents: whoever becomes free is found within a second,
whatever hint was lost, as long as the workflows answer."""
_LONGEST_PAUSE = 5.0
"""Seconds, while no workflow can take anything."""
_PATIENCE = 2.0
"""Seconds that a round may take: one workflow that hangs makes all others wait so long, once in
_PASSED_OVER."""
_PASSED_OVER = 10.0
_MOST_PASSED_OVER = 1000
_WAITING = 200
_AT_ONCE = 16


async def assign_forever(database: Database, engine: Engine, capacity: int) -> None:
    """Until cancelled. Several may run side by side: each conversation's workflow takes one of
    them at their word, and the allocator counts."""
    pause = _PAUSE
    rounds = _Rounds(database, engine, capacity)
    while True:
        try:
            works = await rounds.next()
        except exc.SQLAlchemyError as error:
            log.warning("assignment_waits", reason=type(error).__name__)
            works = False
        pause = _PAUSE if works else min(pause * 2, _LONGEST_PAUSE)
        await asyncio.sleep(pause)


class _Rounds:
    def __init__(self, database: Database, engine: Engine, capacity: int) -> None:
        self._database = database
        self._engine = engine
        self._capacity = capacity
        self._passed_over = PassedOver(_PASSED_OVER, _MOST_PASSED_OVER)
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def next(self) -> bool:
        """False when something was to be assigned, and no workflow could be reached."""
        matches = await self._matches()
        until = asyncio.get_running_loop().time() + _PATIENCE
        reached = await asyncio.gather(*(self._give(each, until) for each in matches))
        return not matches or any(reached)

    async def _matches(self) -> list[Match]:
        passing_over = self._passed_over.at(asyncio.get_running_loop().time())
        async with self._database.begin() as session:
            agents = await allocator.available(session, self._capacity)
            if not agents:
                return []
            waiting = await allocator.waiting(session, agents, _WAITING, passing_over=passing_over)
        return match(waiting, agents)

    async def _give(self, chosen: Match, until: float) -> bool:
        order = ChangeConversation(by=None, command=Accept(agent_id=chosen.agent_id))
        tried = False
        try:
            async with asyncio.timeout_at(until), self._at_once:
                tried = True
                await self._engine.change_conversation(chosen.conversation_id, order, uuid4().hex)
        except (TimeoutError, Unavailable):
            if tried:
                now = asyncio.get_running_loop().time()
                self._passed_over.add(chosen.conversation_id, now)
            return False
        except HoldfastError as error:
            log.debug(
                "not_assigned", conversation_id=str(chosen.conversation_id), reason=error.code
            )
        return True
