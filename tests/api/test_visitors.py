"""Visitor tokens: what they open, and that nothing else passes for one."""

from datetime import timedelta
from uuid import uuid4

import jwt
import pytest

from api.auth import Authenticator
from api.config import ApiConfig
from api.visitors import VISITOR_TYPE, VisitorTokens
from domain.errors import NotAuthenticated
from domain.ids import customer_id_text
from domain.principals import Principal, Role
from store.database import Database
from tests.api.people import SECRET, signed, token

FOREVER = 2**40


@pytest.fixture
def authenticator(config: ApiConfig, database: Database) -> Authenticator:
    return Authenticator(config, database)


def claims(**changes: object) -> dict[str, object]:
    return {"sub": customer_id_text(uuid4()), "exp": FOREVER, **changes}


async def test_names_the_visitor_and_nothing_else(authenticator: Authenticator) -> None:
    visitor_id = uuid4()
    given = authenticator.visitors.issue(visitor_id)
    principal = await authenticator.identify(given.token)
    assert principal == Principal(Role.VISITOR, customer_id_text(visitor_id))
    assert principal.key == f"visitor:{customer_id_text(visitor_id)}"


async def test_ends(authenticator: Authenticator) -> None:
    old = VisitorTokens(SECRET, timedelta(seconds=-1)).issue(uuid4())
    with pytest.raises(NotAuthenticated):
        await authenticator.identify(old.token)


async def test_of_another_installation_opens_nothing(authenticator: Authenticator) -> None:
    other = VisitorTokens("another-secret-that-is-long-enough!!", timedelta(hours=1))
    with pytest.raises(NotAuthenticated):
        await authenticator.identify(other.issue(uuid4()).token)


async def test_is_not_signed_with_the_secret_of_users(authenticator: Authenticator) -> None:
    forged = jwt.encode(claims(), SECRET, "HS256", headers={"typ": VISITOR_TYPE})
    with pytest.raises(NotAuthenticated):
        await authenticator.identify(forged)


async def test_of_a_user_does_not_pass_for_a_visitors(authenticator: Authenticator) -> None:
    for role in (Role.CUSTOMER, Role.ADMIN):
        user = jwt.encode(claims(role=role), SECRET, "HS256", headers={"typ": VISITOR_TYPE})
        with pytest.raises(NotAuthenticated):
            await authenticator.identify(user)


async def test_of_a_visitor_does_not_pass_for_a_users(authenticator: Authenticator) -> None:
    given = authenticator.visitors.issue(uuid4()).token
    _, payload, signature = given.split(".")
    users_header = token("customer").split(".")[0]
    with pytest.raises(NotAuthenticated):
        await authenticator.identify(f"{users_header}.{payload}.{signature}")


@pytest.mark.parametrize("role", [Role.VISITOR, Role.SERVICE])
async def test_users_cannot_have_the_role(authenticator: Authenticator, role: Role) -> None:
    with pytest.raises(NotAuthenticated):
        await authenticator.identify(signed(role=role.value, sub=customer_id_text(uuid4())))


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
async def test_has_one_algorithm(authenticator: Authenticator, algorithm: str) -> None:
    key = "" if algorithm == "none" else SECRET * 2
    forged = jwt.encode(claims(), key, algorithm, headers={"typ": VISITOR_TYPE})
    with pytest.raises(NotAuthenticated):
        await authenticator.identify(forged)


async def test_names_a_customer_or_nobody(authenticator: Authenticator) -> None:
    tokens = authenticator.visitors
    for subject in ("", "jane", "cust_1", None, 7):
        odd = jwt.encode(claims(sub=subject), tokens._key, "HS256", headers={"typ": VISITOR_TYPE})
        with pytest.raises(NotAuthenticated):
            await authenticator.identify(odd)
