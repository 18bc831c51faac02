"""What the OpenAPI document promises holds: schemathesis tries all of it over real HTTP."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from api.config import ApiConfig
from domain.principals import Role
from tests.api.people import as_, visitor
from tests.api.platforms import SET_UP
from tests.api.serving import served

EXAMPLES = 12
"""For each of some hundred operations; all of it together takes about a minute."""

VISITOR_ID = uuid4()
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
Case = schemathesis.Case[Any]
PROMISES = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.ignored_auth,
]


@pytest.fixture
def config(config: ApiConfig) -> ApiConfig:
    """With platforms, so that their webhooks are there."""
    return config.model_copy(update=SET_UP)


@pytest.fixture
def document(config: ApiConfig, database_url: str) -> Iterator[schemathesis.BaseSchema]:
    with psycopg.connect(database_url) as connection:
        # A worker that stays alive however long this takes.
        connection.execute("INSERT INTO heartbeats VALUES ('worker', now() + interval '1 hour')")
    with served(config, database_url) as address:
        yield schemathesis.openapi.from_url(
            f"{address}/api/openapi.json", config=SchemathesisConfig(seed=4)
        )


def keep_promises(operation: Operation, mode: schemathesis.GenerationMode) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def try_all(case: Case) -> None:
        is_customers = operation.path.startswith("/api/customer/")
        headers = visitor(VISITOR_ID) if is_customers else as_(Role.ADMIN)
        case.call_and_validate(headers=headers, checks=PROMISES)

    # An operation without parameters cannot be called wrongly.
    with suppress(hypothesis.errors.Unsatisfiable):
        try_all()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
def test_every_operation_keeps_its_promises(
    document: schemathesis.BaseSchema, mode: schemathesis.GenerationMode
) -> None:
    tried = 0
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        keep_promises(found.ok(), mode)
        tried += 1
    assert tried > 30
