"""What `holdfast doctor` says of the assistant."""

import asyncio

from assistant.reply import ModelTrouble
from domain.knowledge import Audience
from holdfast.errors import SetupError
from holdfast.settings import Settings
from store import articles
from store.articles import ArticleFilter
from store.database import Database
from workers.models import model_of

_PATIENCE = 15.0
"""Seconds for a word of the model: a local one may have to be loaded first."""


async def look_at(settings: Settings) -> str:
    """One sentence. Raises SetupError for a model that does not answer."""
    if not settings.assist_channels:
        return "switched off by ASSIST_CHANNELS"
    count = await _count_articles(settings)
    known = f"{count} public {'article' if count == 1 else 'articles'}"
    if settings.ai_model is not None:
        await _ask(settings.ai_model, settings)
        return f"{settings.ai_model} answers; {known}"
    if not count:
        return "silent: no AI_MODEL, and no public article (see `holdfast kb import`)"
    return f"built-in, from {known}"


async def _count_articles(settings: Settings) -> int:
    database = Database(settings.dsn, pool_size=1)
    try:
        async with database.begin() as session:
            wanted = ArticleFilter(audiences={Audience.PUBLIC})
            _, total = await articles.page(session, wanted, limit=1)
            return total
    finally:
        await database.close()


async def _ask(name: str, settings: Settings) -> None:
    from assistant.asking import probe

    try:
        async with asyncio.timeout(_PATIENCE):
            await probe(model_of(settings, name))
    except ModelTrouble as trouble:
        raise SetupError(f"{name} does not answer ({trouble.reason})") from None
    except TimeoutError:
        raise SetupError(f"{name} does not answer within {_PATIENCE:g} s") from None
