"""Our own JWTs: what their claims may be."""

from typing import Any

import jwt
import pytest

from api.tokens import own_principal
from domain.errors import NotAuthenticated
from domain.principals import Principal, Role, Scope
from tests.api.people import SECRET, signed, token


def identify(credential: str) -> Principal:
    return own_principal(credential, SECRET)


def test_name_the_caller() -> None:
    credential = token("agent", "a-7", name="Ada", email="ada@desk.example")
    assert identify(credential) == Principal(Role.AGENT, "a-7", "Ada", "ada@desk.example")


@pytest.mark.parametrize(
    ("claims", "caller_id"),
    [
        ({"sub": 17}, "17"),
        ({"userId": 17}, "17"),
        ({"userId": "u-17"}, "u-17"),
        ({"sub": "first", "userId": "second"}, "first"),
    ],
)
def test_sub_and_user_id_in_text_and_digits(claims: dict[str, Any], caller_id: str) -> None:
    principal = identify(signed(role="customer", **claims))
    assert principal.id == caller_id


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 2**40},
        {"role": "service"},
        {"role": "root"},
        {"role": None},
        {"role": ["admin"]},
        {"sub": True},
        {"sub": "x" * 201},
        {"sub": "nul\0"},
        {"sub": "\ud800"},
        {"name": "nul\0"},
        {"name": {"first": "Ada"}},
        {"email": "\udfff"},
    ],
    ids=repr,
)
def test_claims_that_make_no_sense_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        identify(signed(**{"role": "agent", "sub": "a-1", **claims}))


def test_sub_is_required() -> None:
    with pytest.raises(NotAuthenticated):
        identify(signed(role="agent"))


def test_a_name_given_as_null_is_no_name() -> None:
    claims = {"sub": "a", "role": "customer", "exp": 2**40, "name": None}
    principal = identify(jwt.encode(claims, SECRET, "HS256"))
    assert principal.name == ""


def test_scopes_are_never_taken_from_a_jwt() -> None:
    principal = identify(token("agent", scopes=["admin"]))
    assert not principal.has(Scope.ADMIN)
