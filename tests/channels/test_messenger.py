"""What Messenger tells, in our words."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import JsonValue
from pydantic_core import to_json

from channels.heard import Arrived, ArrivedUntil, Echo, File, Heard, Reacted, Said, Sender
from channels.messenger import parse
from domain.models import DeliveryState
from domain.text import storable
from tests.channels.any_json import any_json, mutated

MILLISECONDS = 1_700_000_000_500
AT = datetime.fromtimestamp(MILLISECONDS / 1_000, UTC)
PSID, PAGE = "2000", "1000"
CUSTOMER = Sender(PSID, (PSID,))


def event(**more: object) -> dict[str, Any]:
    sides = {"sender": {"id": PSID}, "recipient": {"id": PAGE}}
    return {**sides, "timestamp": MILLISECONDS, **more}


def body(*events: object, kind: str = "messaging") -> dict[str, Any]:
    entry = {"id": PAGE, "time": MILLISECONDS, kind: list(events)}
    return {"object": "page", "entry": [entry]}


def said(**message: object) -> dict[str, Any]:
    return event(message={"mid": "m_1", **message})


def echo(**message: object) -> dict[str, Any]:
    swapped = {"sender": {"id": PAGE}, "recipient": {"id": PSID}}
    return {**said(is_echo=True, **message), **swapped}


def attached(kind: str, **more: object) -> dict[str, Any]:
    return said(attachments=[{"type": kind, **more}])


def only(heard: list[Heard]) -> Said:
    (one,) = heard
    assert isinstance(one, Said)
    return one


SEEDS_BODY: dict[str, Any] = {
    "object": "page",
    "entry": [
        {
            "messaging": [
                {
                    "sender": {"id": "1234567890"},
                    "message": {"mid": "msg_id", "text": "I need help with my order"},
                }
            ]
        }
    ],
}


class TestText:
    def test_is_heard(self) -> None:
        assert parse(body(said(text="Hello"))) == [Said(PAGE, CUSTOMER, "m_1", "Hello", AT)]

    def test_the_short_form_is_heard(self) -> None:
        sender = Sender("1234567890", ("1234567890",))
        heard = Said(None, sender, "msg_id", "I need help with my order", None)
        assert parse(SEEDS_BODY) == [heard]

    def test_the_page_is_the_entrys_where_the_event_tells_none(self) -> None:
        assert only(parse(body({**said(text="x"), "recipient": None}))).account == PAGE

    def test_a_quick_reply_keeps_what_it_stands_for(self) -> None:
        heard = only(parse(body(said(text="Refund", quick_reply={"payload": "refund"}))))
        assert (heard.text, heard.metadata) == ("Refund", {"payload": "refund"})

    def test_knows_what_it_answers(self) -> None:
        heard = only(parse(body(said(text="Yes", reply_to={"mid": "m_0"}))))
        assert heard.metadata == {"reply_to": "m_0"}

    def test_knows_where_the_customer_comes_from(self) -> None:
        heard = only(parse(body(said(text="Hi", referral={"ref": "r", "source": "ADS", "x": 1}))))
        assert heard.metadata == {"referral": {"ref": "r", "source": "ADS"}}

    def test_that_is_long_becomes_several(self) -> None:
        parts = parse(body(said(text="x" * 16_001)))
        assert [each.external_id for each in parts if isinstance(each, Said)] == ["m_1", "m_1/1"]

    def test_is_kept_without_what_cannot_be_kept(self) -> None:
        assert only(parse(body(said(text="a\0\ud83d\ude00")))).text == "a😀"

    def test_comes_oldest_first(self) -> None:
        later = {**said(text="Second"), "timestamp": MILLISECONDS + 1}
        heard = parse(body(later, said(text="First")))
        assert [each.text for each in heard if isinstance(each, Said)] == ["First", "Second"]


class TestAttachments:
    @pytest.mark.parametrize("kind", ["image", "audio", "video", "file"])
    def test_are_files(self, kind: str) -> None:
        url = "https://cdn.fbsbx.com/v/a%20b.pdf?oh=1"
        heard = only(parse(body(attached(kind, payload={"url": url}))))
        assert heard.files == (File(url, name="a b.pdf"),)
        assert heard.text.startswith("Sent a")

    @pytest.mark.parametrize("payload", [None, {}, {"url": 1}, {"url": "file:///etc/passwd"}])
    def test_without_an_address_are_named(self, payload: object) -> None:
        heard = only(parse(body(attached("image", payload=payload))))
        assert (heard.text, heard.files) == ("Sent an image.", ())

    @pytest.mark.parametrize(
        ("kind", "more", "told"),
        [
            ("image", {"payload": {"sticker_id": 1, "url": "https://x/y"}}, "Sent a sticker."),
            ("fallback", {"title": "T", "url": "https://x"}, "Sent a link: T https://x"),
            ("fallback", {}, "Sent a link."),
            ("template", {"payload": {"elements": [{"title": "T"}]}}, "Sent a template: T"),
            ("location", {"payload": {"coordinates": {"lat": 1, "long": 2}}},
             "Sent a location: 1.000000, 2.000000"),
            ("location", {}, "Sent a location."),
            ("hologram", {}, "Sent something that cannot be shown here: hologram"),
            (7, {}, "Sent something that cannot be shown here."),
        ],
    )  # fmt: skip
    def test_are_told_in_words(self, kind: str, more: dict[str, Any], told: str) -> None:
        assert only(parse(body(attached(kind, **more)))).text == told

    def test_with_an_odd_address_have_no_name(self) -> None:
        odd = {"url": "https://[odd/a.png"}
        assert only(parse(body(attached("image", payload=odd)))).files[0].name == ""

    def test_beside_a_text_leave_it_alone(self) -> None:
        links = [{"type": "fallback", "title": "T", "url": "https://x"}]
        assert only(parse(body(said(text="See https://x", attachments=links)))).text == (
            "See https://x"
        )

    def test_nothing_at_all_is_named(self) -> None:
        assert only(parse(body(said()))).text == "Sent an empty message."


class TestPostbacks:
    def test_say_their_title(self) -> None:
        pressed = event(postback={"mid": "m_7", "title": "Start", "payload": "start"})
        assert parse(body(pressed)) == [
            Said(PAGE, CUSTOMER, "m_7", "Start", AT, metadata={"payload": "start"})
        ]

    def test_without_a_mid_have_one_of_our_making(self) -> None:
        def made(payload: str, timestamp: int = MILLISECONDS) -> str:
            pressed = event(postback={"title": "Start", "payload": payload})
            return only(parse(body({**pressed, "timestamp": timestamp}))).external_id

        assert made("a") == made("a")
        assert len({made("a"), made("b"), made("a", MILLISECONDS + 1)}) == 3

    def test_without_words_are_named(self) -> None:
        assert only(parse(body(event(postback={})))).text == "Pressed a button."


class TestReactions:
    def test_is_heard(self) -> None:
        given = {"reaction": "love", "emoji": "❤️", "action": "react", "mid": "m_0"}
        (reacted,) = parse(body(event(reaction=given)))
        assert isinstance(reacted, Reacted)
        assert (reacted.to, reacted.emoji, reacted.sender) == ("m_0", "❤️", CUSTOMER)

    def test_can_be_taken_back(self) -> None:
        given = {"action": "react", "emoji": "❤️", "mid": "m_0"}
        first, second = (
            parse(body(event(reaction={**given, "action": action})))[0]
            for action in ("react", "unreact")
        )
        assert isinstance(first, Reacted)
        assert isinstance(second, Reacted)
        assert (first.emoji, second.emoji) == ("❤️", None)
        assert first.external_id != second.external_id

    def test_to_nothing_is_left_out(self) -> None:
        assert parse(body(event(reaction={"emoji": "❤️"}))) == []


class TestEchoes:
    def test_of_our_own_carry_our_id(self) -> None:
        assert parse(body(echo(text="Hi", metadata="id/0", app_id=27))) == [
            Echo(PAGE, PSID, "m_1", "Hi", AT, our_id="id/0", app="27")
        ]

    def test_of_people_in_the_page_inbox_have_files_too(self) -> None:
        file = {"type": "file", "payload": {"url": "https://x/a"}}
        (heard,) = parse(body(echo(attachments=[file])))
        assert isinstance(heard, Echo)
        assert (heard.text, heard.our_id, heard.files) == (
            "Sent a file.",
            None,
            (File("https://x/a", name="a"),),
        )

    def test_to_nobody_are_left_out(self) -> None:
        assert parse(body({**echo(text="x"), "recipient": {}})) == []


class TestArrivals:
    def test_deliveries_name_messages_and_an_instant(self) -> None:
        told = event(delivery={"mids": ["m_1", None, "m_2"], "watermark": MILLISECONDS})
        assert parse(body(told)) == [
            Arrived(PAGE, "m_1", DeliveryState.DELIVERED, address=PSID),
            Arrived(PAGE, "m_2", DeliveryState.DELIVERED, address=PSID),
            ArrivedUntil(PAGE, PSID, DeliveryState.DELIVERED, AT),
        ]

    def test_deliveries_may_name_no_messages(self) -> None:
        told = event(delivery={"watermark": MILLISECONDS})
        assert parse(body(told)) == [ArrivedUntil(PAGE, PSID, DeliveryState.DELIVERED, AT)]

    def test_read_marks_name_an_instant(self) -> None:
        told = event(read={"watermark": MILLISECONDS})
        assert parse(body(told)) == [ArrivedUntil(PAGE, PSID, DeliveryState.READ, AT)]

    def test_without_an_instant_are_left_out(self) -> None:
        assert parse(body(event(read={}), event(delivery={"watermark": 0}))) == []


class TestOddBodies:
    def test_one_odd_event_leaves_the_others(self) -> None:
        odd = [
            None,
            "event",
            {},
            {"sender": 1, "message": {"mid": "m_2", "text": "x"}},
            event(message={"text": "without a mid"}),
            event(message={"mid": "x" * 501, "text": "x"}),
            event(message="text"),
            event(optin={"ref": "x"}),
        ]
        whole = body(*odd[:4], said(text="kept"), *odd[4:])
        whole["entry"] += [None, 7, {"messaging": {}}]
        assert only(parse(whole)).text == "kept"

    def test_standby_is_somebody_elses(self) -> None:
        assert parse(body(said(text="x"), kind="standby")) == []

    @pytest.mark.parametrize("timestamp", [None, "x", "9" * 20, -1, 10**400, 1e308, True])
    def test_an_odd_instant_is_none(self, timestamp: object) -> None:
        assert only(parse(body({**said(text="x"), "timestamp": timestamp}))).at is None


REAL_BODIES: list[dict[str, Any]] = [
    SEEDS_BODY,
    body(said(text="Hi", quick_reply={"payload": "p"}, reply_to={"mid": "m_0"})),
    body(attached("image", payload={"url": "https://x/a.png"})),
    body(attached("fallback", title="T", url="https://x")),
    body(attached("location", payload={"coordinates": {"lat": 1.5, "long": 2}})),
    body(event(postback={"title": "T", "payload": "p", "referral": {"ref": "r"}})),
    body(event(reaction={"emoji": "x", "action": "react", "mid": "m_0"})),
    body(echo(text="Hi", metadata="id/0", app_id=27)),
    body(event(delivery={"mids": ["m_1"], "watermark": MILLISECONDS})),
    body(event(read={"watermark": MILLISECONDS})),
]


@settings(deadline=None)
@given(any_json)
def test_any_json_is_read(value: JsonValue) -> None:
    parse(value)


@settings(max_examples=500, deadline=None)
@given(mutated(REAL_BODIES))
def test_whatever_is_heard_can_be_kept(value: JsonValue) -> None:
    for heard in parse(value):
        if isinstance(heard, Said | Echo):
            assert 0 < len(storable(heard.text)) <= 16_000
            assert heard.text.strip()
            assert 0 < len(storable(heard.external_id)) <= 500
            assert all(storable(each.reference + each.name) for each in heard.files)
        if isinstance(heard, Said):
            assert 0 < len(storable(heard.sender.address)) <= 200
            assert len(to_json(heard.metadata)) <= 8 * 1024
