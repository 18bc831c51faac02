"""Text from outside: lengths, and what the database could not keep."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from domain.text import IdText, MessageText, Metadata, ShortText, storable

message: TypeAdapter[str] = TypeAdapter(MessageText)
metadata: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


class TestText:
    @pytest.mark.parametrize("text", ["a\0", "\ud800", "x\udfffx"])
    def test_what_cannot_be_kept_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="must not contain"):
            storable(text)
        for kind in (MessageText, ShortText, IdText):
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(text)

    def test_a_message_has_1_to_16_000_characters(self) -> None:
        for text in ("x", "🦊" * 16_000):
            assert message.validate_python(text) == text
        for text in ("", "x" * 16_001):
            with pytest.raises(ValidationError):
                message.validate_python(text)

    def test_openapi_says_what_is_refused(self) -> None:
        assert message.json_schema() == {
            "type": "string",
            "minLength": 1,
            "maxLength": 16_000,
            "pattern": r"^[^\x00]*[^\s\x00][^\x00]*$",
        }

    @pytest.mark.parametrize("blank", [" ", "\n\t", "\u2003"])
    def test_must_say_something(self, blank: str) -> None:
        with pytest.raises(ValidationError, match="blank"):
            message.validate_python(blank)


class TestMetadata:
    def test_may_have_8_levels(self) -> None:
        assert metadata.validate_python(nested(8)) == nested(8)
        with pytest.raises(ValidationError, match="8 levels"):
            metadata.validate_python(nested(9))

    def test_lists_are_levels_too(self) -> None:
        with pytest.raises(ValidationError, match="8 levels"):
            metadata.validate_python({"a": [[[[[[[[1]]]]]]]]})

    def test_may_have_8_kilobytes(self) -> None:
        fits = {"a": "x" * (8 * 1024 - len('{"a":""}'))}
        assert metadata.validate_python(fits) == fits
        with pytest.raises(ValidationError, match="8192 bytes"):
            metadata.validate_python({"a": fits["a"] + "x"})

    def test_bytes_count_and_not_characters(self) -> None:
        with pytest.raises(ValidationError, match="8192 bytes"):
            metadata.validate_python({"a": "🦊" * 2_048})

    @pytest.mark.parametrize(
        "value",
        [{"a": "\0"}, {"\0": 1}, {"a": [{"b": "\0"}]}, {"a": "\ud800"}, {"a": {"\ud800": 1}}],
        ids=repr,
    )
    def test_nested_text_is_checked(self, value: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="must not contain"):
            metadata.validate_python(value)
