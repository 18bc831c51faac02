"""How available colleagues are, and whom a text names."""

from datetime import timedelta

import pytest

from domain.team import TeamStatus, names_mentioned, status_of

ONLINE, AWAY, BUSY, OFFLINE = TeamStatus


@pytest.mark.parametrize("said", [None, AWAY, BUSY, OFFLINE])
def test_what_they_say_stands_while_they_are_there(said: TeamStatus | None) -> None:
    assert status_of(said, here=True, idle=timedelta(hours=1)) is (said or ONLINE)
    assert status_of(said, here=False, idle=timedelta(seconds=119)) is (said or ONLINE)


def test_away_and_then_offline() -> None:
    for said in (None, BUSY, AWAY):
        assert status_of(said, here=False, idle=timedelta(minutes=2)) is AWAY
        assert status_of(said, here=False, idle=timedelta(seconds=299)) is AWAY
        assert status_of(said, here=False, idle=timedelta(minutes=5)) is OFFLINE
        assert status_of(said, here=False, idle=None) is OFFLINE
    assert status_of(OFFLINE, here=False, idle=timedelta(minutes=3)) is OFFLINE


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("@bea", "bea"),
        ("Ask @bea, please.", "bea"),
        ("(@Bea Miller) knows", "Bea Miller"),
        ("@jo@example.com!", "jo@example.com"),
        ("**@42**", "42"),
        ("@auth0|7 and", "auth0|7"),
        ("@André Łukasz", "André Łukasz"),
    ],
)
def test_named(text: str, name: str) -> None:
    assert name in names_mentioned(text)


@pytest.mark.parametrize("text", ["", "bea", "me@bea.example", "@", "@ bea", "a@b"])
def test_nobody_named(text: str) -> None:
    assert names_mentioned(text) == []


def test_few_names_however_long_the_text() -> None:
    assert len(names_mentioned("@x y z " * 2_000)) < 200
    assert len(names_mentioned("@" * 16_000)) < 200
