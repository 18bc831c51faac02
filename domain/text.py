"""Text that comes from outside: how long it may be, and what PostgreSQL can keep.

PostgreSQL's text and jsonb hold everything of Unicode but NUL; lone surrogates are no Unicode.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, StringConstraints
from pydantic_core import to_json

MAX_METADATA_BYTES = 8 * 1024
MAX_METADATA_LEVELS = 8


def storable(text: str) -> str:
    """Return the text. Raises ValueError for NUL and for lone surrogates."""
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    return text


def _storable_metadata(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    _check_nested(metadata, MAX_METADATA_LEVELS)
    if len(to_json(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


def _check_nested(value: JsonValue, levels_left: int) -> None:
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, dict | list):
        if levels_left == 0:
            raise ValueError(f"must be at most {MAX_METADATA_LEVELS} levels deep")
        if isinstance(value, dict):
            for key in value:
                storable(key)
        for part in value.values() if isinstance(value, dict) else value:
            _check_nested(part, levels_left - 1)


def _saying_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _web_address(text: str) -> str:
    if not text.lower().startswith(("https://", "http://")):
        raise ValueError("must be a web address, like https://example.com/file.pdf")
    return text


_STORABLE = AfterValidator(storable)
_SAYING = AfterValidator(_saying_something)
_AS_PATTERN = Field(json_schema_extra={"pattern": r"^[^\x00]*$"})
"""Says the same to readers of the OpenAPI document."""
_SAYING_PATTERN = Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"})

MessageText = Annotated[
    str, StringConstraints(min_length=1, max_length=16_000), _STORABLE, _SAYING, _SAYING_PATTERN
]
SubjectText = Annotated[
    str, StringConstraints(min_length=1, max_length=300), _STORABLE, _SAYING, _SAYING_PATTERN
]
ShortText = Annotated[str, StringConstraints(max_length=200), _STORABLE, _AS_PATTERN]
"""A name, an address on some platform, a search; may be empty."""
EmailText = Annotated[str, StringConstraints(max_length=320), _STORABLE, _AS_PATTERN]
"""As long as RFC 3696 lets an address be; may be empty."""
IdText = Annotated[str, StringConstraints(min_length=1, max_length=200), _STORABLE, _AS_PATTERN]
"""An id that somebody else made: an agent's, a platform's."""
TagText = Annotated[str, StringConstraints(min_length=1, max_length=50), _STORABLE, _AS_PATTERN]
UrlText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000),
    _STORABLE,
    AfterValidator(_web_address),
    Field(json_schema_extra={"pattern": r"^[hH][tT][tT][pP][sS]?://[^\x00]*$"}),
]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_storable_metadata)]
"""Anything a client wants to find again: at most 8 KB of JSON, at most 8 levels deep."""
