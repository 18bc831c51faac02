"""Signatures, as https://github.com/standard-webhooks/standard-webhooks has them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from channels.standard_webhooks import holds, new_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {
    "webhook-id": EVENT_ID,
    "webhook-timestamp": "1614265330",
    "webhook-signature": SIGNATURE,
}
"""The example of the specification's own libraries."""


def test_the_known_example_is_signed_as_known() -> None:
    assert sign(SECRET, EVENT_ID, AT, BODY) == SIGNATURE
    assert sign(SecretStr(SECRET.removeprefix("whsec_")), EVENT_ID, AT, BODY) == SIGNATURE


def test_the_known_example_holds_for_five_minutes_around() -> None:
    for minutes, held in ((-6, False), (-5, True), (0, True), (5, True), (6, False)):
        now = AT + timedelta(minutes=minutes)
        assert holds([SECRET], HEADERS, BODY, now) is held


def test_one_of_several_secrets_and_of_several_signatures_is_enough() -> None:
    headers = HEADERS | {"webhook-signature": f"v1,x v1a,y {SIGNATURE}"}
    assert holds([new_secret(), SecretStr(SECRET)], headers, BODY, AT)
    assert not holds([new_secret()], headers, BODY, AT)
    assert not holds([], headers, BODY, AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "no base64!", "ä"])
def test_a_secret_that_is_none_signs_nothing(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        sign(secret, EVENT_ID, AT, BODY)
    with pytest.raises(ValueError, match="whsec_"):
        holds([secret], HEADERS, BODY, AT)


def test_new_secrets_are_32_bytes_of_chance() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert len(new_secret()) == len("whsec_") + 44


@given(
    st.fixed_dictionaries(
        {},
        optional={name: st.text(st.characters(max_codepoint=255), max_size=40) for name in HEADERS},
    ),
    st.binary(max_size=20),
)
def test_whatever_is_sent_does_not_hold(headers: dict[str, str], body: bytes) -> None:
    assert not holds([SECRET], HEADERS | headers, body + b"!", AT)
