"""Service keys and our own JWTs: who is taken for whom, and who is turned away."""

import base64
import json
import time

import httpx
import jwt
import pytest
from fastapi import FastAPI

from api.auth import Authenticator, bearer_token
from api.config import ApiConfig
from domain.errors import NotAuthenticated
from domain.principals import Role, Scope
from store import agents, keys
from store.database import Database
from tests.api.people import SECRET, as_, bearer, token, with_key
from tests.api.probe import add_probe


@pytest.fixture
def authenticator(config: ApiConfig, database: Database) -> Authenticator:
    return Authenticator(config, database)


def unsigned(header: object, claims: object) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims))
    return b".".join((*parts, b"")).decode()


FORGERIES = (
    "",
    "junk",
    "a.b.c",
    "é.é.é",
    "sk_",
    "sk_unknown",
    "sk_\xff",
    "x" * 9_000,
    base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.e30",
    unsigned({"alg": "none"}, {"sub": "a", "role": "admin"}),
    unsigned({"alg": "HS256"}, {"sub": "a", "role": "admin", "exp": 2**40}),
    unsigned({"alg": ["HS256"]}, {}),
    unsigned(["HS256"], {}),
    jwt.encode({"sub": "a", "role": "admin", "exp": 2**40}, "x" * 40, "HS256"),
    jwt.encode({"sub": "a", "role": "admin", "exp": 2**40}, SECRET + "0" * 32, "HS512"),
)


class TestRefusal:
    async def test_is_for_whatever_nobody_signed(self, authenticator: Authenticator) -> None:
        for credential in FORGERIES:
            with pytest.raises(NotAuthenticated):
                await authenticator.identify(credential)


class TestServiceKeys:
    async def test_name_their_scopes(
        self, authenticator: Authenticator, database: Database
    ) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "bot", [Scope.HANDOFF])
        principal = await authenticator.identify(key)
        assert principal.role is Role.SERVICE
        assert principal.name == "bot"
        assert principal.scopes == {Scope.HANDOFF}

    async def test_a_revoked_key_ends_when_keys_are_forgotten(
        self, authenticator: Authenticator, database: Database
    ) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "bot", [Scope.TICKETS])
        principal = await authenticator.identify(key)
        async with database.begin() as session:
            (info,) = await keys.list_all(session)
            assert await keys.revoke(session, info.id)
        assert await authenticator.identify(key) == principal
        authenticator.forget_keys()
        with pytest.raises(NotAuthenticated):
            await authenticator.identify(key)

    async def test_a_revoked_key_ends_by_itself(
        self,
        authenticator: Authenticator,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "bot", [Scope.TICKETS])
        await authenticator.identify(key)
        async with database.begin() as session:
            (info,) = await keys.list_all(session)
            await keys.revoke(session, info.id)
        later = time.monotonic() + 10.1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        with pytest.raises(NotAuthenticated):
            await authenticator.identify(key)


class TestAgents:
    async def test_exist_from_their_first_call(
        self, authenticator: Authenticator, database: Database
    ) -> None:
        await authenticator.identify(token("agent", "a-1", name="Ada"))
        await authenticator.identify(token("admin", "a-2", email="bo@desk.example"))
        async with database.begin() as session:
            ada = await agents.get(session, "a-1")
            assert ada is not None
            assert ada.name == "Ada"
            assert ada.last_seen_at is not None
            assert await agents.exists(session, "a-2")

    async def test_a_new_name_is_kept_at_once(
        self, authenticator: Authenticator, database: Database
    ) -> None:
        await authenticator.identify(token("agent", "a-1", name="Ada"))
        await authenticator.identify(token("agent", "a-1", name="Ada Lovelace"))
        async with database.begin() as session:
            ada = await agents.get(session, "a-1")
        assert ada is not None
        assert ada.name == "Ada Lovelace"

    async def test_customers_and_keys_are_none(
        self, authenticator: Authenticator, database: Database
    ) -> None:
        await authenticator.identify(token("customer", "c-1"))
        async with database.begin() as session:
            assert not await agents.exists(session, "c-1")

    async def test_a_further_call_writes_nothing(
        self, authenticator: Authenticator, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await authenticator.identify(token("agent", "a-1"))
        monkeypatch.delattr(agents, "seen")
        await authenticator.identify(token("agent", "a-1"))


class TestHeader:
    @pytest.fixture(autouse=True)
    def _probe(self, app: FastAPI) -> None:
        add_probe(app)

    async def test_names_the_caller(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/probe/caller", headers=as_(Role.AGENT, "a-1", name="Ada"))
        assert answer.json() == {"role": "agent", "id": "a-1", "name": "Ada", "email": ""}

    async def test_key_names_the_caller(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        headers = await with_key(database, Scope.TICKETS)
        answer = await client.get("/probe/caller", headers=headers)
        assert answer.json()["role"] == "service"

    @pytest.mark.parametrize(
        "headers",
        [{}, bearer(""), bearer("bad"), {"Authorization": f"Basic {token('admin')}"}],
        ids=["none", "empty", "bad", "basic"],
    )
    async def test_missing_or_bad_is_401(
        self, client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        answer = await client.get("/probe/caller", headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "Invalid authentication token", "code": "unauthorized"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    async def test_a_token_in_the_address_is_none(self, client: httpx.AsyncClient) -> None:
        credential = token("agent")
        for name in ("token", "access_token", "Authorization", "authorization"):
            answer = await client.get("/probe/caller", params={name: credential})
            assert answer.status_code == 401

    async def test_database_down_is_503_for_keys(
        self, client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "_sessions", Database("postgresql://127.0.0.1:1/")._sessions)
        answer = await client.get("/probe/caller", headers=bearer("sk_unknown"))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Bearer", ""),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
    ],
)
def test_bearer_token(header: str, found: str | None) -> None:
    assert bearer_token(header) == found
