"""Whom the bridge hears, and what it takes of what they say."""

import pytest

from bridge.policy import MAX_PARTS, PART, Policy, Refusal
from bridge.stanzas import Said

ACCOUNT = "support@example.com"
EVERYBODY = Policy(ACCOUNT)
FRIENDS = Policy(ACCOUNT, allowed_domains={"example.org", "bücher.example"})
NO_FOES = Policy(ACCOUNT, blocked_domains={"example.net", "bücher.example"})


def said(from_jid: str, body: str = "hello", *, encrypted: bool = False) -> Said:
    return Said(from_jid=from_jid, to_jid=ACCOUNT, type="chat", body=body, encrypted=encrypted)


@pytest.mark.parametrize(
    ("policy", "jid"),
    [
        (EVERYBODY, "ada@example.org/phone"),
        (FRIENDS, "ada@example.org"),
        (FRIENDS, "ADA@EXAMPLE.ORG/Phone"),
        (FRIENDS, "ada@xn--bcher-kva.example"),
        (NO_FOES, "ada@example.org"),
        # Another domain, however much its name looks like it.
        (NO_FOES, "ada@mail.example.net"),
    ],
)
def test_hears_anybody_who_may_be_heard(policy: Policy, jid: str) -> None:
    assert policy.refusal(said(jid)) is None
    assert policy.hears(jid)


@pytest.mark.parametrize(
    ("policy", "jid"),
    [
        (FRIENDS, "ada@example.net"),
        (FRIENDS, "ada@mail.example.org"),
        (NO_FOES, "ada@example.net/phone"),
        (NO_FOES, "ada@EXAMPLE.NET"),
        (NO_FOES, "ada@example.net."),
        (NO_FOES, "ada@XN--BCHER-KVA.example"),
    ],
)
def test_hears_nothing_of_other_domains(policy: Policy, jid: str) -> None:
    assert policy.refusal(said(jid)) is Refusal.DOMAIN
    assert policy.refusal(said(jid, encrypted=True)) is Refusal.DOMAIN
    assert not policy.hears(jid)


def test_domain_that_is_both_allowed_and_blocked_is_blocked() -> None:
    policy = Policy(ACCOUNT, {"example.org"}, {"example.org"})
    assert policy.refusal(said("ada@example.org")) is Refusal.DOMAIN
    assert not policy.hears("ada@example.org")


@pytest.mark.parametrize("jid", ["", "example.org", "example.org/echo", "a b@example.org"])
def test_takes_nothing_from_what_is_no_person(jid: str) -> None:
    assert EVERYBODY.refusal(said(jid)) is Refusal.NOBODY
    assert not EVERYBODY.hears(jid)


@pytest.mark.parametrize("jid", [ACCOUNT, f"{ACCOUNT}/other", "SUPPORT@Example.com/other"])
def test_takes_nothing_from_itself(jid: str) -> None:
    assert EVERYBODY.refusal(said(jid)) is Refusal.OWN


def test_takes_nothing_encrypted() -> None:
    assert EVERYBODY.refusal(said("ada@example.org", encrypted=True)) is Refusal.ENCRYPTED


def test_takes_what_fits_into_its_parts() -> None:
    longest = "x" * (MAX_PARTS * PART)
    assert EVERYBODY.refusal(said("ada@example.org", longest)) is None
    assert EVERYBODY.refusal(said("ada@example.org", longest + "x")) is Refusal.TOO_LONG
