"""The list of endpoints, made from the application itself, so that it cannot be out of date."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from api.access import Rule, rule_among

UNUSED_ID = "0" * 32


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    rule: Rule | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def address(self) -> str:
        """The path with ids that can be, but are not."""
        ids = {
            "ticket_id": f"tkt_{UNUSED_ID}",
            "customer_id": f"cust_{UNUSED_ID}",
            "request_id": f"req_{UNUSED_ID}",
            "attachment_id": f"att_{UNUSED_ID}",
            "article_id": f"art_{UNUSED_ID}",
            "subscription_id": f"whk_{UNUSED_ID}",
            "event_id": f"evt_{UNUSED_ID}",
            "conversation_id": str(UUID(UNUSED_ID)),
            "jid": "nobody@example.com",
        }
        return re.sub(r"\{(\w+)(?::path)?\}", lambda name: ids.get(name[1], "unknown"), self.path)


def endpoints(app: FastAPI) -> list[Endpoint]:
    found = []
    for route in iter_route_contexts(app.routes):
        guarded = isinstance(route.original_route, APIRoute)
        rule = rule_among(route.dependencies) if guarded else None
        found += [
            Endpoint(method, route.path or "?", rule) for method in sorted(route.methods or {"?"})
        ]
    return found


def operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of the OpenAPI document."""
    return [
        (method.upper(), path, operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
