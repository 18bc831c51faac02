"""What `holdfast doctor` says of the assistant."""

import pytest
from pydantic import SecretStr

from domain.knowledge import Audience, Writing
from holdfast.assistant_look import look_at
from holdfast.errors import InvalidSetting, SetupError
from holdfast.settings import Settings
from store import articles
from store.database import Database
from tests.assistant.model_server import fails, model_server, says


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database_url=SecretStr(database_url))


def with_model(settings: Settings, url: str, name: str = "openai:test") -> Settings:
    key = SecretStr("a key")
    return settings.model_copy(update={"ai_model": name, "ai_base_url": url, "ai_api_key": key})


async def test_silent_without_model_and_articles(settings: Settings) -> None:
    assert "kb import" in await look_at(settings)


async def test_built_in_with_articles(settings: Settings, database: Database) -> None:
    async with database.begin() as session:
        await articles.create(session, Writing(title="Returns", body="30 days"))
        internal = Writing(title="Limits", body="None", audience=Audience.INTERNAL)
        await articles.create(session, internal)
    assert await look_at(settings) == "built-in, from 1 public article"


async def test_switched_off(settings: Settings) -> None:
    off = settings.model_copy(update={"assist_channels": frozenset()})
    assert "ASSIST_CHANNELS" in await look_at(off)


async def test_model_that_answers(settings: Settings) -> None:
    async with model_server() as server:
        server.default = says("Yes.")
        assert "openai:test answers" in await look_at(with_model(settings, server.url))


async def test_model_that_refuses_is_said(settings: Settings) -> None:
    async with model_server() as server:
        server.default = fails(401)
        with pytest.raises(SetupError, match="ModelAuthenticationError"):
            await look_at(with_model(settings, server.url))


async def test_model_that_nobody_knows_is_said(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"ai_model": "nobody:x"})
    with pytest.raises(InvalidSetting, match="AI_MODEL"):
        await look_at(nowhere)
