"""Who gets whom: automatic assignment as one pure function."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation in the queue. `not_for` is the agent who has just given it back."""

    conversation_id: UUID
    tags: frozenset[str]
    not_for: str | None = None


@dataclass(frozen=True, slots=True)
class Available:
    """An agent who is online."""

    agent_id: str
    tags: frozenset[str]
    capacity: int
    active: int


@dataclass(frozen=True, slots=True)
class Match:
    conversation_id: UUID
    agent_id: str


def may_serve(agent_tags: Iterable[str], conversation_tags: Iterable[str]) -> bool:
    """An agent needs every tag that the conversation has."""
    return frozenset(conversation_tags) <= frozenset(agent_tags)


def match(waiting: Sequence[Waiting], agents: Sequence[Available]) -> list[Match]:
    """Give each conversation, in the order in which they are given, to the least loaded agent
    who may serve it and has room; of equally loaded ones to the first by id."""
    load = {agent.agent_id: agent.active for agent in agents}
    matches: list[Match] = []
    for conversation in waiting:
        free = [
            agent
            for agent in agents
            if load[agent.agent_id] < agent.capacity
            and agent.agent_id != conversation.not_for
            and may_serve(agent.tags, conversation.tags)
        ]
        if free:
            chosen = min(free, key=lambda agent: (load[agent.agent_id], agent.agent_id))
            load[chosen.agent_id] += 1
            matches.append(Match(conversation.conversation_id, chosen.agent_id))
    return matches
