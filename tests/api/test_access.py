"""Endpoints times callers: all of them, as the application itself lists them."""

import httpx
import pytest
from fastapi import FastAPI

from api.access import Anybody, Members, allow, allow_anybody, rule_among
from api.routes import Routes
from domain.principals import Principal, Role, Scope
from store.database import Database
from tests.api.matrix import Endpoint, endpoints, operations
from tests.api.people import as_, bearer, with_key

PEOPLE = (Role.CUSTOMER, Role.VISITOR, Role.AGENT, Role.ADMIN)


async def answer(
    client: httpx.AsyncClient, endpoint: Endpoint, headers: dict[str, str], body: bytes = b"{"
) -> httpx.Response:
    content = {"Content-Type": "application/json", **headers}
    return await client.request(endpoint.method, endpoint.address, headers=content, content=body)


def test_every_route_says_who_may_call(app: FastAPI) -> None:
    listed = endpoints(app)
    assert len(listed) > 35
    assert [str(endpoint) for endpoint in listed if endpoint.rule is None] == []


def test_a_route_that_does_not_say_is_refused_at_start() -> None:
    router = Routes(prefix="/forgotten")
    with pytest.raises(TypeError, match="/forgotten/this does not say who may call"):
        router.add_api_route("/this", lambda: None)


async def test_open_endpoints_are_the_ones_of_the_contract(app: FastAPI) -> None:
    assert {str(each) for each in endpoints(app) if isinstance(each.rule, Anybody)} == {
        "GET /api/health",
        "GET /api/ready",
        "GET /api/docs",
        "GET /api/docs/assets/{name}",
        "GET /api/redoc",
        "GET /api/openapi.json",
        "GET /actuator/health",
        "POST /api/customer/sessions",
        "GET /api/webhooks/facebook",
        "POST /api/webhooks/facebook",
        "GET /api/webhooks/whatsapp",
        "POST /api/webhooks/whatsapp",
        "GET /api/webhooks/twitter",
        "POST /api/webhooks/twitter",
        "POST /api/webhooks/email",
    }


async def test_without_a_good_token_it_is_401_before_the_body_is_looked_at(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for endpoint in endpoints(app):
        for headers in ({}, bearer("bad"), bearer("sk_bad")):
            refused = await answer(client, endpoint, headers)
            if isinstance(endpoint.rule, Anybody):
                assert refused.status_code not in (401, 403), endpoint
            elif _is_plain(endpoint):
                told = (401, "Access token required") if not headers else (403, "Invalid token")
                assert (refused.status_code, refused.json()["error"]) == told, endpoint
            else:
                assert refused.status_code == 401, endpoint
                assert refused.json() == {
                    "detail": "Invalid authentication token",
                    "code": "unauthorized",
                }


async def test_who_is_not_named_gets_403_before_the_body_is_looked_at(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    # No dictionary: the role `admin` and the scope `admin` are one key.
    callers: list[tuple[Role | Scope, dict[str, str]]] = [(role, as_(role)) for role in PEOPLE]
    callers += [(scope, await with_key(database, scope)) for scope in Scope]
    for endpoint in endpoints(app):
        for who, headers in callers:
            given = await answer(client, endpoint, headers)
            if _may(who, endpoint):
                assert given.status_code not in (401, 403), (endpoint, who)
            else:
                assert given.status_code == 403, (endpoint, who)
                place = "error" if _is_plain(endpoint) else "detail"
                assert given.json()[place] == "Insufficient permissions"


def _is_plain(endpoint: Endpoint) -> bool:
    """Whether it has seed 002's words."""
    return endpoint.path.startswith(("/api/chat/", "/api/aichat/"))


def _may(who: Role | Scope, endpoint: Endpoint) -> bool:
    if isinstance(endpoint.rule, Members):
        if isinstance(who, Role):
            return who in endpoint.rule.roles
        scopes = endpoint.rule.scopes
        return who in scopes or (who is Scope.ADMIN and bool(scopes))
    return True


async def test_customers_may_not_steer(app: FastAPI) -> None:
    for endpoint in endpoints(app):
        if endpoint.method == "PUT" or endpoint.path.endswith("/process"):
            assert not _may(Role.CUSTOMER, endpoint), endpoint
            assert not _may(Role.VISITOR, endpoint), endpoint


async def test_handoff_keys_open_the_hand_off_alone(app: FastAPI) -> None:
    for endpoint in endpoints(app):
        if isinstance(endpoint.rule, Members):
            is_handoff = str(endpoint) == "POST /api/webhooks/chatbot"
            assert (Scope.HANDOFF in endpoint.rule.scopes) is is_handoff, endpoint


async def test_xmpp_keys_open_the_xmpp_families_alone(app: FastAPI) -> None:
    for endpoint in endpoints(app):
        if isinstance(endpoint.rule, Members):
            of_xmpp = endpoint.path.startswith("/api/v1/")
            assert (endpoint.rule.scopes == {Scope.XMPP}) is of_xmpp, endpoint
            assert (Scope.XMPP in endpoint.rule.scopes) is of_xmpp, endpoint


async def test_team_chat_is_for_people_of_the_desk(app: FastAPI) -> None:
    team = [each for each in endpoints(app) if each.path.startswith("/api/chat/")]
    assert len(team) == 8
    for endpoint in team:
        assert endpoint.rule == Members(frozenset({Role.AGENT, Role.ADMIN}), frozenset())


async def test_customers_have_the_xmpp_tickets_alone(app: FastAPI) -> None:
    open_to_them = {
        str(each)
        for each in endpoints(app)
        if each.path.startswith("/api/v1/") and _may(Role.CUSTOMER, each)
    }
    assert open_to_them == {
        "POST /api/v1/xmpp/tickets",
        "GET /api/v1/xmpp/tickets",
        "POST /api/v1/xmpp/tickets/{ticket_id}/messages",
        "GET /api/v1/xmpp/tickets/{ticket_id}/sync",
        "POST /api/v1/xmpp/presence",
    }


def test_openapi_says_where_a_token_is_needed(app: FastAPI) -> None:
    open_ones = {str(each) for each in endpoints(app) if isinstance(each.rule, Anybody)}
    for method, path, operation in operations(app):
        is_open = f"{method} {path}" in open_ones
        assert ("security" in operation) is not is_open, (method, path)
        assert is_open or operation["security"] == [{"Bearer": []}]


class TestRule:
    def test_scopes_do_not_let_people_in(self) -> None:
        rule = rule_among([allow(Scope.TICKETS)])
        assert isinstance(rule, Members)
        assert not rule.admits(Principal(Role.ADMIN, "a"))

    def test_a_route_narrows_its_router(self) -> None:
        rule = rule_among([allow_anybody(), allow(Role.ADMIN)])
        assert rule == Members(frozenset({Role.ADMIN}), frozenset())

    def test_admin_keys_are_let_in_where_any_key_is(self) -> None:
        rule = rule_among([allow(Scope.TICKETS)])
        assert isinstance(rule, Members)
        admin_key = Principal(Role.SERVICE, "k", scopes=frozenset({Scope.ADMIN}))
        assert rule.admits(admin_key)
