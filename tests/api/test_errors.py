"""Every failure has one shape, whatever fails."""

import json

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy import exc

from api.errors import Words, answer, describe
from domain import errors
from domain.principals import Role
from store.database import Database
from tests.api.matrix import operations
from tests.api.people import as_
from tests.api.probe import add_probe


def known_errors(kind: type[errors.HoldfastError]) -> list[type[errors.HoldfastError]]:
    return [kind, *(found for each in kind.__subclasses__() for found in known_errors(each))]


class TestAnswer:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (errors.InvalidRequest(), 422),
            (errors.NothingToUpdate(), 400),
            (errors.UnknownAgent(), 422),
            (errors.NotAuthenticated(), 401),
            (errors.InsufficientPermissions(), 403),
            (errors.TicketNotFound(), 404),
            (errors.IllegalTransition(), 409),
            (errors.ConversationIsClosed(), 410),
            (errors.PayloadTooLarge(), 413),
            (errors.TooManyRequests(7), 429),
            (errors.EngineUnavailable(), 503),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_says_the_sentence(self, error: errors.HoldfastError, status: int) -> None:
        told = answer(error)
        assert told.status_code == status
        assert json.loads(bytes(told.body)) == {"detail": str(error), "code": error.code}

    def test_knows_every_error(self) -> None:
        never_answered = {errors.HoldfastError, errors.NewerDatabase}
        for kind in set(known_errors(errors.HoldfastError)) - never_answered:
            if kind.__module__.startswith(("domain.", "api.")):
                assert 500 not in describe(kind), kind

    def test_says_when_to_try_again(self) -> None:
        assert answer(errors.TooManyRequests(7)).headers["Retry-After"] == "7"
        assert int(answer(errors.DatabaseUnavailable()).headers["Retry-After"]) > 0

    @pytest.mark.parametrize(
        "error",
        [
            exc.OperationalError("SELECT 1", {}, psycopg.OperationalError("refused")),
            exc.InterfaceError("SELECT 1", {}, psycopg.InterfaceError("closed")),
            exc.TimeoutError("pool"),
            exc.DBAPIError("SELECT 1", {}, Exception(), connection_invalidated=True),
            psycopg.OperationalError("server closed the connection unexpectedly"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_a_database_that_is_down_is_503(self, error: Exception) -> None:
        told = answer(error)
        assert told.status_code == 503
        assert b"database" in bytes(told.body)

    @pytest.mark.parametrize(
        "error", [psycopg.errors.ProgramLimitExceeded(), psycopg.errors.StatementTooComplex()]
    )
    @pytest.mark.parametrize("malformed", [400, 422])
    def test_what_the_database_cannot_hold_is_the_senders_fault(
        self, error: psycopg.Error, malformed: int
    ) -> None:
        told = answer(exc.OperationalError("INSERT", {}, error), Words(malformed))
        assert told.status_code == malformed
        assert json.loads(bytes(told.body))["code"] == "too_large"

    def test_a_fault_of_ours_says_nothing(self) -> None:
        told = answer(exc.DataError("SELECT secret", {}, Exception("secret")))
        assert told.status_code == 500
        assert bytes(told.body) == b'{"detail":"Internal server error"}'

    def test_lone_surrogates_can_be_answered(self) -> None:
        fault = {"type": "missing", "loc": ("body", "\ud800" * 500), "msg": "Field required"}
        told = answer(RequestValidationError([fault]))
        assert told.status_code == 422
        assert len(told.body) < 1_000


class TestApplication:
    async def test_unknown_addresses_and_methods(self, client: httpx.AsyncClient) -> None:
        unknown = await client.get("/api/nowhere")
        assert unknown.status_code == 404
        assert unknown.json() == {"detail": "Not Found"}
        wrong = await client.patch("/api/health")
        assert wrong.status_code == 405
        assert wrong.json() == {"detail": "Method Not Allowed"}
        assert "GET" in wrong.headers["Allow"]

    async def test_a_fault_of_ours_is_500_with_every_header(
        self, app: FastAPI, client: httpx.AsyncClient
    ) -> None:
        add_probe(app)
        failed = await client.post("/probe/failures", headers=as_(Role.AGENT))
        assert failed.status_code == 500
        assert failed.json() == {"detail": "Internal server error"}
        assert failed.headers["X-Content-Type-Options"] == "nosniff"
        assert failed.headers["X-Request-ID"]
        assert failed.headers["RateLimit-Remaining"]

    async def test_database_down_is_503(
        self, client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        agent = as_(Role.AGENT)
        assert (await client.get("/api/tickets/", headers=agent)).status_code == 200
        unreachable = Database("postgresql://127.0.0.1:1/nowhere")
        monkeypatch.setattr(database, "begin", unreachable.begin)
        answered = await client.get("/api/tickets/", headers=agent)
        assert answered.status_code == 503
        assert answered.headers["Retry-After"]
        assert answered.json()["detail"] == errors.DatabaseUnavailable.sentence

    def test_every_operation_describes_its_errors(self, app: FastAPI) -> None:
        for method, path, operation in operations(app):
            told = set(operation["responses"])
            assert told >= {"429", "500", "503"}, (method, path)
            assert told & {"400", "422"}, (method, path)
            if "security" in operation:
                assert told >= {"401", "403"}, (method, path)
            if "requestBody" in operation:
                assert "413" in told, (method, path)
            if "{" in path:
                assert "404" in told, (method, path)
