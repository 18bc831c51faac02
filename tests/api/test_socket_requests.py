"""What a handshake's query subscribes to."""

import pytest

from api.socket_requests import subscription_in
from domain.principals import Principal, Role

VISITOR = Principal(Role.VISITOR, "cust_1")
CUSTOMER = Principal(Role.CUSTOMER, "jo")
AGENT = Principal(Role.AGENT, "a")


@pytest.mark.parametrize(
    ("principal", "query", "wanted"),
    [
        (AGENT, {}, None),
        (AGENT, {"role": "agent", "fingerprint": "f"}, None),
        (AGENT, {"role": "agent", "scope": "queue"}, {"role": "agent", "scope": "queue"}),
        (AGENT, {"conversationId": "c"}, {"conversationId": "c"}),
        (
            AGENT,
            {"scope": "queue", "conversationId": "", "ticketId": "undefined", "afterSeq": "null"},
            {"scope": "queue"},
        ),
        (CUSTOMER, {}, None),
        (CUSTOMER, {"role": "customer"}, {"role": "customer", "scope": "conversation"}),
        (CUSTOMER, {"scope": "conversation"}, {"scope": "conversation"}),
        (CUSTOMER, {"role": "customer", "ticketId": "7"}, {"role": "customer", "ticketId": "7"}),
        (VISITOR, {}, {"scope": "conversation"}),
        (VISITOR, {"afterSeq": "3"}, {"afterSeq": "3", "scope": "conversation"}),
        (VISITOR, {"role": "agent"}, {"role": "agent", "scope": "conversation"}),
        (VISITOR, {"role": "agent", "scope": "queue"}, {"role": "agent", "scope": "queue"}),
        (VISITOR, {"conversationId": "null"}, {"scope": "conversation"}),
    ],
)
def test_subscription_in(
    principal: Principal, query: dict[str, str], wanted: dict[str, str] | None
) -> None:
    assert subscription_in(query, principal) == wanted
