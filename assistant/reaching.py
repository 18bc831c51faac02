"""From the settings' words to a model."""

from collections.abc import Callable
from typing import Any

from pydantic_ai.embeddings import EmbeddingModel, infer_embedding_model
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class

_COMPATIBLE = "openai-chat"
"""What servers of one's own speak: OpenAI's chat completions."""


class NoSuchModel(ValueError):
    """The settings name a model that cannot be reached as they say."""


def reach_model(name: str, base_url: str | None = None, api_key: str | None = None) -> Model:
    """The model of a name like `openai:gpt-5`; nothing is sent yet. Raises NoSuchModel.

    At a server of one's own, a name without a maker, and OpenAI's, speak the protocol that all such
    servers know.
    """
    name = _at_server(name, base_url, _COMPATIBLE)
    try:
        return infer_model(name, _providers(base_url, api_key))
    except ImportError as error:
        raise NoSuchModel(f"AI_MODEL: {error}") from None
    except (UserError, ValueError, TypeError) as error:
        raise NoSuchModel(f"AI_MODEL={name}: {error}") from None


def reach_embedder(
    name: str, base_url: str | None = None, api_key: str | None = None
) -> EmbeddingModel:
    """The model of a name like `openai:text-embedding-3-small`; all else is as with
    `reach_model`."""
    name = _at_server(name, base_url, "openai")
    try:
        return infer_embedding_model(name, provider_factory=_providers(base_url, api_key))
    except ImportError as error:
        raise NoSuchModel(f"AI_EMBEDDING_MODEL: {error}") from None
    except (UserError, ValueError, TypeError) as error:
        raise NoSuchModel(f"AI_EMBEDDING_MODEL={name}: {error}") from None


def _at_server(name: str, base_url: str | None, protocol: str) -> str:
    """The name with the protocol that a server of one's own speaks, if there is one."""
    maker, _, model = name.partition(":")
    if base_url is None or (maker != "openai" and _is_maker(maker)):
        return name
    return f"{protocol}:{model if maker == 'openai' else name}"


def _providers(base_url: str | None, api_key: str | None) -> Callable[[str], Provider[Any]]:
    said = {"base_url": base_url, "api_key": api_key}
    given = {key: value for key, value in said.items() if value is not None}

    def provider_of(maker: str) -> Provider[Any]:
        made = infer_provider_class(maker)(**given) if given else infer_provider(maker)
        client: Any = made.client
        if hasattr(client, "max_retries"):
            # To try again is the caller's business, who knows the deadline.
            client.max_retries = 0
        return made

    return provider_of


def _is_maker(name: str) -> bool:
    """Whether pydantic-ai knows whose models these are: names of models have colons too."""
    try:
        infer_provider_class(name)
    except ImportError:
        return True
    except ValueError:
        return False
    return True
