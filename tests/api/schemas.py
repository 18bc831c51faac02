"""From the OpenAPI document: a request that is right, and every place where it can go wrong."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

SAMPLE_TEXT = "jane@example.com"
"""Good for an e-mail address as well as for a name or an id."""
Place = tuple[str | int, ...]


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and take the alternative that is not null."""
    if "$ref" in schema:
        return resolve(document, document["components"]["schemas"][schema["$ref"].split("/")[-1]])
    alternatives = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return resolve(document, alternatives[0]) if alternatives else schema


def sample(document: dict[str, Any], schema: dict[str, Any]) -> object:
    """A value that fits the schema, with every field present."""
    schema = resolve(document, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: sample(document, field) for name, field in fields.items()}
        case "array":
            return [sample(document, schema["items"])]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    if schema.get("format") == "date-time":
        return (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return SAMPLE_TEXT


def places(value: object) -> Iterator[Place]:
    """Where in a body something can be put, the body itself included."""
    yield ()
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in parts:
            yield from ((name, *below) for below in places(part))


def replaced(value: object, place: Place, by: object) -> object:
    """The same value with something else in one place."""
    if not place:
        return by
    changed: Any = deepcopy(value)
    target = changed
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = by
    return changed
