"""The facts that an answer to an agent's question may be made of."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from api.services import Services
from assistant.desk_answers import Asked, Topic, recognise
from assistant.passages import best_passage
from assistant.sureness import SURE
from domain.figures import DeskFacts, Source, SystemStatus, period_of
from domain.ids import article_id_text
from domain.knowledge import EVERY_AUDIENCE
from domain.principals import Principal
from store import articles, figures

_TICKETS_LISTED = 10
_AGENTS_LISTED = 20


async def gather(services: Services, caller: Principal, question: str, now: datetime) -> DeskFacts:
    """Find what is asked for, and nothing else."""
    asked = recognise(question)
    if asked.topic is Topic.SYSTEM:
        return DeskFacts(system=await _system(services, now))
    async with services.database.reading() as session:
        return await _found(session, caller, question, asked, now)


async def _found(
    session: AsyncSession, caller: Principal, question: str, asked: Asked, now: datetime
) -> DeskFacts:
    period = period_of(asked.period, now)
    match asked.topic:
        case Topic.TICKETS:
            tickets = await figures.open_tickets_of(session, caller.id, _TICKETS_LISTED)
            return DeskFacts(tickets=tickets)
        case Topic.SLA:
            return DeskFacts(sla=await figures.sla(session, period, now))
        case Topic.TEAM:
            return DeskFacts(team=await figures.team(session, period, _AGENTS_LISTED))
        case Topic.OTHER:
            return DeskFacts(source=await _source(session, question))
        case _:
            return DeskFacts()


async def _source(session: AsyncSession, question: str) -> Source | None:
    """Agents may read every article."""
    found = await articles.search(session, question, audiences=EVERY_AUDIENCE, limit=1)
    if not found or found[0].coverage < SURE:
        return None
    article = found[0].article
    passage = best_passage(article.body, question)
    return Source(article_id_text(article.id), article.title, passage)


async def _system(services: Services, now: datetime) -> SystemStatus:
    parts = await services.readiness.parts()
    async with services.database.reading() as session:
        load = await figures.load(session)
    return SystemStatus(parts.engine, parts.worker, load, now)
