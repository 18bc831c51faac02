"""One person is one JID, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.jids import InvalidJid, Jid, bare_jid, parse_jid


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("user@example.com", "user@example.com"),
        ("user@example.com/phone", "user@example.com"),
        ("user@example.com/", "user@example.com"),
        ("USER@Example.COM", "user@example.com"),
        ("  user@example.com\n", "user@example.com"),
        ("user@example.com.", "user@example.com"),
        ("user@xn--bcher-kva.example", "user@bücher.example"),
        ("user@BÜCHER.example", "user@bücher.example"),
        ("USER@XN--BCHER-KVA.EXAMPLE", "user@bücher.example"),
        ("\uff55\uff53\uff45\uff52@example.com", "user@example.com"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("JÜRGEN@example.com", "jürgen@example.com"),
        ("user@10.143.121.140", "user@10.143.121.140"),
        ("user@localhost", "user@localhost"),
        ("user@my_host.lan", "user@my_host.lan"),
        ("a+b.c_d-e@example.com", "a+b.c_d-e@example.com"),
    ],
)
def test_spellings_of_a_person(text: str, bare: str) -> None:
    assert bare_jid(text) == bare


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "example.com",
        "@example.com",
        "user@",
        "user@/phone",
        "/phone",
        "a b@example.com",
        "a@b@example.com",
        "user@exam ple.com",
        "user@.com",
        "user@example..com",
        "user@-.ü",
        "user@xn--",
        "o'hara@example.com",
        '"user"@example.com',
        "<user>@example.com",
        "user:x@example.com",
        "user&co@example.com",
        "us\0er@example.com",
        "us\x07er@example.com",
        "user@example.com/\0",
        "user@example.com/\ud800",
        "\ud800@example.com",
        "user@\ud800",
        "x" * 1024 + "@example.com",
        "x" * 1012 + "@example.com",
        "ü" * 506 + "@example.com",
        "user@example.com/" + "ü" * 512,
        "user@example.com/" + "x" * 1024,
        "user@" + "x" * 64 + ".com",
    ],
)
def test_what_is_no_person_is_refused(text: str) -> None:
    with pytest.raises(InvalidJid):
        parse_jid(text)


@pytest.mark.parametrize("resource", ["phone", "Gajim/1.2", "a@b", "Mein Gerät", "x" * 1023])
def test_resource_is_kept_as_it_is(resource: str) -> None:
    assert parse_jid(f"user@example.com/{resource}") == Jid("user", "example.com", resource)


@pytest.mark.parametrize("local", ["x" * 1011, "ü" * 505])
def test_longest_bare_jid(local: str) -> None:
    assert bare_jid(f"{local}@example.com/phone") == f"{local}@example.com"


@given(st.text())
def test_whatever_comes_is_a_jid_or_refused(text: str) -> None:
    for tried in (text, f"{text}@example.com", f"user@{text}", f"user@example.com/{text}"):
        try:
            bare = bare_jid(tried)
        except InvalidJid:
            continue
        assert bare_jid(bare) == bare
