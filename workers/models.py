"""The settings' language model, in the parts that need one.

Imports are inside functions: whoever has no model does not need the memory for one.
"""

from typing import TYPE_CHECKING

from assistant.advice import Adviser
from assistant.desk import DeskAssistant
from assistant.embeddings import Embedder
from assistant.reply import Assistant
from holdfast.errors import InvalidSetting
from holdfast.settings import Settings

if TYPE_CHECKING:
    from pydantic_ai.models import Model


def assistant_of(settings: Settings) -> Assistant | None:
    """Who answers customers; None without a model. Raises InvalidSetting."""
    if settings.ai_model is None:
        return None
    from assistant.models import ModelAssistant

    return ModelAssistant(model_of(settings, settings.ai_model))


def adviser_of(settings: Settings) -> Adviser | None:
    """Who makes suggestions to agents; None without a model. Raises InvalidSetting."""
    if settings.ai_model is None:
        return None
    from assistant.advisers import ModelAdviser

    return ModelAdviser(model_of(settings, settings.ai_model))


def desk_assistant_of(settings: Settings) -> DeskAssistant | None:
    """Who answers agents' questions; None without a model. Raises InvalidSetting."""
    if settings.ai_model is None:
        return None
    from assistant.desk_models import ModelDeskAssistant

    return ModelDeskAssistant(model_of(settings, settings.ai_model))


def embedder_of(settings: Settings) -> Embedder | None:
    """Who finds articles by meaning; None without such a model. Raises InvalidSetting."""
    if settings.ai_embedding_model is None:
        return None
    from assistant.embedding_models import ModelEmbedder
    from assistant.reaching import NoSuchModel, reach_embedder

    name, key = settings.ai_embedding_model, _key(settings)
    try:
        return ModelEmbedder(reach_embedder(name, settings.ai_base_url, key))
    except NoSuchModel as error:
        raise InvalidSetting(str(error)) from None


def model_of(settings: Settings, name: str) -> "Model":
    """A model at the settings' server. Raises InvalidSetting."""
    from assistant.reaching import NoSuchModel, reach_model

    try:
        return reach_model(name, settings.ai_base_url, _key(settings))
    except NoSuchModel as error:
        raise InvalidSetting(str(error)) from None


def _key(settings: Settings) -> str | None:
    return settings.ai_api_key.get_secret_value() if settings.ai_api_key else None
