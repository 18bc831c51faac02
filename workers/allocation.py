"""The loop that gives waiting conversations to agents, where assignment is automatic."""

import asyncio
from uuid import uuid4

import structlog
from sqlalchemy import exc

from domain.allocation import Match, match
from domain.conversation_life import Accept, ChangeConversation
from domain.errors import HoldfastError
from store import allocator
from store.database import Database
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_PAUSE = 0.25
"""Seconds between two looks at queue and agents: whoever becomes free is found within a second,
whatever hint was lost."""
_LONGEST_PAUSE = 5.0
"""Seconds, while no workflow can take anything."""
_WAITING = 200
_AT_ONCE = 16


async def assign_forever(database: Database, engine: Engine, capacity: int) -> None:
    """Until cancelled. Several may run side by side: each conversation's workflow takes one of
    them at their word, and the allocator counts."""
    pause = _PAUSE
    while True:
        try:
            done = await _assign(database, engine, capacity)
        except exc.SQLAlchemyError as error:
            log.warning("assignment_waits", reason=type(error).__name__)
            done = False
        pause = _PAUSE if done else min(pause * 2, _LONGEST_PAUSE)
        await asyncio.sleep(pause)


async def _assign(database: Database, engine: Engine, capacity: int) -> bool:
    """False when something was to be assigned, and nothing could be."""
    async with database.begin() as session:
        waiting = await allocator.waiting(session, _WAITING)
        agents = await allocator.available(session, capacity) if waiting else []
    matches = match(waiting, agents)
    at_once = asyncio.Semaphore(_AT_ONCE)
    taken = await asyncio.gather(*(_give(engine, each, at_once) for each in matches))
    return not matches or any(taken)


async def _give(engine: Engine, chosen: Match, at_once: asyncio.Semaphore) -> bool:
    order = ChangeConversation(by=None, command=Accept(agent_id=chosen.agent_id))
    async with at_once:
        try:
            await engine.change_conversation(chosen.conversation_id, order, uuid4().hex)
        except HoldfastError as error:
            log.debug(
                "not_assigned", conversation_id=str(chosen.conversation_id), reason=error.code
            )
            return False
    return True
