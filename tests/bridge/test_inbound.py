"""What people say, taken once, by a real database: from servers, too, that no test can run."""

import asyncio

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from bridge.account import Account
from bridge.policy import Refusal
from bridge.stanzas import Said
from domain.ids import message_id_text
from store import xmpp
from store.database import Database
from tests.bridge.working import Desk

SUPPORT = Account(bare_jid="support@example.com", password=SecretStr("pw"), host="example.com")


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database, SUPPORT)


def said(
    body: str,
    from_jid: str = "ada@example.org/phone",
    *,
    stanza_id: str | None = None,
    origin_id: str | None = None,
    id: str | None = None,  # noqa: A002  XMPP's word
    corrects: str | None = None,
) -> Said:
    return Said(
        from_jid=from_jid,
        to_jid=SUPPORT.bare_jid,
        type="chat",
        body=body,
        stanza_id=stanza_id,
        origin_id=origin_id,
        id=id,
        corrects=corrects,
    )


async def test_spellings_of_a_person_are_one_customer(desk: Desk) -> None:
    spellings = (
        "jo@xn--bcher-kva.example/phone",
        "jo@bücher.example/desk",
        "JO@BÜCHER.example",
        "jo@bücher.example./Phone",
    )
    for number, each in enumerate(spellings):
        assert await desk.inbound.take(said(f"{number}", each, stanza_id=f"s{number}")) is True
    assert await desk.texts() == ["0", "1", "2", "3"]
    (row,) = await desk.tickets()
    assert row.ticket.channel_identity == "jo@bücher.example"


async def test_stanza_is_taken_once(desk: Desk) -> None:
    first = said("hello", stanza_id="s1")
    assert await desk.inbound.missing(["s1", "s2"]) == {"s1", "s2"}
    assert [await desk.inbound.take(first) for _ in range(2)] == [True, False]
    assert await desk.texts() == ["hello"]
    assert await desk.inbound.missing(["s1", "s2"]) == {"s2"}


async def test_two_who_bring_a_stanza_at_once_write_it_once(desk: Desk) -> None:
    first = said("hello", stanza_id="s1", origin_id="o1")
    outcomes = await asyncio.gather(*(desk.inbound.take(first) for _ in range(8)))
    assert sorted(map(bool, outcomes)) == [False] * 7 + [True]
    assert await desk.texts() == ["hello"]


async def test_first_words_of_one_person_at_once_open_one_ticket(desk: Desk) -> None:
    words = [said(f"{number}", stanza_id=f"s{number}") for number in range(8)]
    await asyncio.gather(*(desk.inbound.take(each) for each in words))
    assert len(await desk.tickets()) == 1
    assert sorted(await desk.texts()) == [each.body for each in words]


async def test_what_has_no_id_at_all_is_taken_each_time(desk: Desk) -> None:
    """Nobody can tell, and twice is better than never: a component gets no other."""
    for _ in range(2):
        assert await desk.inbound.take(said("hello")) is True
    assert await desk.texts() == ["hello", "hello"]


async def test_what_a_client_sends_again_is_one_message(desk: Desk) -> None:
    assert await desk.inbound.take(said("hello", origin_id="o1", stanza_id="s1")) is True
    assert await desk.inbound.take(said("hello", origin_id="o1", stanza_id="s2")) is False
    assert await desk.texts() == ["hello"]


async def test_same_words_under_the_same_name_on_another_day_are_new(desk: Desk) -> None:
    """Some clients count from 1 each time that they start."""
    assert await desk.inbound.take(said("hello", origin_id="1", stanza_id="s1")) is True
    async with desk.database.begin() as session:
        await session.execute(text("UPDATE xmpp_origins SET seen_at = seen_at - interval '25 h'"))
    assert await desk.inbound.take(said("hello", origin_id="1", stanza_id="s2")) is True
    assert await desk.inbound.take(said("hello", origin_id="1", stanza_id="s2")) is False
    assert await desk.texts() == ["hello", "hello"]


async def test_correction_is_looked_for_among_the_newest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xmpp, "_MOST_CORRECTABLE", 2)
    for number in range(3):
        await desk.inbound.take(said(f"{number}", id=f"m{number}"))
    for number in (1, 2):
        await desk.inbound.take(said("corrected", corrects=f"m{number}"))
    # The first of these corrections has itself become one of the newest two.
    first, second = (await desk.said())[-2:]
    known = (await desk.said())[1:3]
    assert [each.metadata["corrects"] for each in (first, second)] == [
        message_id_text(each.id) for each in known
    ]
    await desk.inbound.take(said("corrected", corrects="m0"))
    assert (await desk.said())[-1].metadata["corrects"] == "m0"


async def test_two_people_may_use_one_name(desk: Desk) -> None:
    for number, jid in enumerate(("ada@example.org", "bob@example.org")):
        assert await desk.inbound.take(said("hi", jid, origin_id="1", stanza_id=f"s{number}"))
    assert [await desk.texts(of=each) for each in range(2)] == [["hi"], ["hi"]]


async def test_long_one_is_taken_whole_or_not_at_all(desk: Desk) -> None:
    body = "a" * 16_000 + "b" * 16_000 + "c"
    long = said(body, stanza_id="s1", origin_id="o1")
    async with desk.database.begin() as session:
        await session.execute(
            text("ALTER TABLE messages ADD CONSTRAINT no_c CHECK (content <> 'c')")
        )
    with pytest.raises(Exception, match="no_c"):
        await desk.inbound.take(long)
    assert await desk.tickets() == []
    async with desk.database.begin() as session:
        await session.execute(text("ALTER TABLE messages DROP CONSTRAINT no_c"))
    assert [await desk.inbound.take(long) for _ in range(2)] == [True, False]
    assert "".join(await desk.texts()) == body


async def test_longest_there_is_is_taken(desk: Desk) -> None:
    body = "ü" * 256_000
    assert await desk.inbound.take(said(body, stanza_id="s1")) is True
    assert "".join(await desk.texts()) == body
    assert await desk.inbound.take(said(body + "x", stanza_id="s2")) is Refusal.TOO_LONG


async def test_encrypted_is_answered_once_and_too_long_each_time(desk: Desk) -> None:
    first, second = said("?", stanza_id="s1"), said("?", stanza_id="s2")
    for refusal, expected in (
        (Refusal.ENCRYPTED, [True, False, False]),
        (Refusal.TOO_LONG, [True, False, True]),
    ):
        answers = [await desk.inbound.first_refusal(each, refusal) for each in (first, first)]
        answers.append(await desk.inbound.first_refusal(second, refusal))
        assert answers == expected
    other = said("?", "bob@example.org", stanza_id="s3")
    assert await desk.inbound.first_refusal(other, Refusal.ENCRYPTED)


async def test_workflows_hear_of_what_was_taken(desk: Desk) -> None:
    await desk.inbound.take(said("hello", stanza_id="s1"))
    (row,) = await desk.tickets()
    assert [each.id for each in desk.nudged.threads] == [row.ticket.id]
    await desk.inbound.take(said("hello", stanza_id="s1"))
    assert len(desk.nudged.threads) == 1
