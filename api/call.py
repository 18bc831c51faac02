"""What is known of a request before any route is chosen."""

from dataclasses import dataclass

from starlette.types import Scope

from api.limits import Standing
from domain.principals import Principal


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    """Stands in the logs and in the answer's `X-Request-ID`."""
    address: str
    """From where the call comes."""
    identity: Principal | Exception | None
    """Who calls; or why the token was not accepted; or None where there is no token."""
    standing: Standing
    """How many calls the caller, or its address, has left."""


def remember_call(scope: Scope, call: Call) -> None:
    scope.setdefault("state", {})["call"] = call


def call_of(scope: Scope) -> Call:
    call: Call = scope["state"]["call"]
    return call
