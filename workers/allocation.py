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
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_PAUSE = 0.25
"""Seconds between two looks at queue and agents: whoever becomes free is found within a second,
whatever hint was lost."""
_LONGEST_PAUSE = 5.0
"""Seconds, while no workflow can take anything."""
_PATIENCE = 2.0
_WAITING = 200
_AT_ONCE = 16


async def assign_forever(database: Database, engine: Engine, capacity: int) -> None:
    """Until cancelled. Several may run side by side: each conversation's workflow takes one of
    them at their word, and the allocator counts."""
    pause = _PAUSE
    while True:
        try:
            works = await _assign(database, engine, capacity)
        except exc.SQLAlchemyError as error:
            log.warning("assignment_waits", reason=type(error).__name__)
            works = False
        pause = _PAUSE if works else min(pause * 2, _LONGEST_PAUSE)
        await asyncio.sleep(pause)


async def _assign(database: Database, engine: Engine, capacity: int) -> bool:
    """False when something was to be assigned, and no workflow could be reached."""
    async with database.begin() as session:
        agents = await allocator.available(session, capacity)
        waiting = await allocator.waiting(session, agents, _WAITING) if agents else []
    matches = match(waiting, agents)
    at_once = asyncio.Semaphore(_AT_ONCE)
    reached = await asyncio.gather(*(_give(engine, each, at_once) for each in matches))
    return not matches or any(reached)


async def _give(engine: Engine, chosen: Match, at_once: asyncio.Semaphore) -> bool:
    order = ChangeConversation(by=None, command=Accept(agent_id=chosen.agent_id))
    async with at_once:
        try:
            # One that hangs must not keep the others waiting: it is looked at again next time.
            async with asyncio.timeout(_PATIENCE):
                await engine.change_conversation(chosen.conversation_id, order, uuid4().hex)
        except (TimeoutError, Unavailable):
            return False
        except HoldfastError as error:
            log.debug(
                "not_assigned", conversation_id=str(chosen.conversation_id), reason=error.code
            )
    return True
