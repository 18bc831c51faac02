"""What X's webhooks say, in each of its envelopes, and who may say it."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, SecretStr

from channels.heard import ArrivedUntil, Echo, File, Heard, Said, Sender
from channels.x import crc_answer, parse, sign, signature_holds
from domain.models import DeliveryState
from domain.text import storable

US, ADA = "3001969357", "3284025577"
SECRET = SecretStr("consumer_secret")
AT = datetime(2026, 11, 20, 9, 30, 1, 250_000, UTC)
STAMP = "1795167001250"


def event(
    event_id: str = "1062245772333000000",
    sender: str = ADA,
    recipient: str = US,
    stamp: str = STAMP,
    **data: object,
) -> dict[str, Any]:
    entities: dict[str, list[str]] = {
        "hashtags": [],
        "symbols": [],
        "user_mentions": [],
        "urls": [],
    }
    return {
        "type": "message_create",
        "id": event_id,
        "created_timestamp": stamp,
        "message_create": {
            "target": {"recipient_id": recipient},
            "sender_id": sender,
            "source_app_id": "268278",
            "message_data": {"text": "Hello", "entities": entities, **data},
        },
    }


def classic(*events: JsonValue) -> dict[str, Any]:
    return {
        "for_user_id": US,
        "direct_message_events": list(events),
        "apps": {"268278": {"id": "268278", "name": "X Web Client", "url": "https://x.com"}},
        "users": {
            ADA: {"id": ADA, "name": "Ada Lovelace", "screen_name": "ada", "protected": False},
            US: {"id": US, "name": "Support", "screen_name": "support"},
        },
    }


def newer(kind: str, *events: JsonValue) -> dict[str, Any]:
    payload = classic(*events)
    del payload["for_user_id"]
    return {
        "data": {
            "event_uuid": "1995537912346120192",
            "event_type": kind,
            "filter": {"user_id": US},
            "payload": payload,
        }
    }


def short(text: JsonValue = "Help with my account") -> dict[str, Any]:
    """As in seed 004."""
    message = {"sender_id": "123456", "message_data": {"text": text}}
    return {"direct_message_events": [{"id": "dm_id", "message_create": message}]}


def only(body: JsonValue) -> Heard:
    (heard,) = parse(body)
    return heard


def said(body: JsonValue) -> Said:
    heard = only(body)
    assert isinstance(heard, Said)
    return heard


def photo(**more: JsonValue) -> dict[str, JsonValue]:
    media: dict[str, JsonValue] = {
        "id": 1062245768151000000,
        "type": "photo",
        "url": "https://t.co/Pic1",
        "media_url_https": "https://ton.twitter.com/1.1/ton/data/dm/1/2/cat.jpg",
    }
    return {"type": "media", "media": media | more}


class TestSignature:
    def test_of_a_challenge_is_the_known_one(self) -> None:
        right = "sha256=v1WdiCVwy17uGTMWveHGlqQXN/qW1bQraNXXByRO2YA="
        assert crc_answer(SECRET, "challenge_string") == right

    def test_holds_for_the_bytes_that_were_signed(self) -> None:
        assert signature_holds(SECRET, b"{}", sign(SECRET, b"{}"))
        assert not signature_holds(SECRET, b"{} ", sign(SECRET, b"{}"))
        assert not signature_holds(SecretStr("other"), b"{}", sign(SECRET, b"{}"))

    @pytest.mark.parametrize("header", [None, "", "sha256=", "sha1=x", "sha256=é", "\ud800"])
    def test_does_not_hold_for_rubbish(self, header: str | None) -> None:
        assert not signature_holds(SECRET, b"{}", header)


class TestMessages:
    def test_are_said_by_their_sender(self) -> None:
        assert only(classic(event())) == Said(
            account=US,
            sender=Sender(ADA, (ADA,), "Ada Lovelace"),
            external_id="1062245772333000000",
            text="Hello",
            at=AT,
        )

    def test_are_the_same_in_the_newer_envelope(self) -> None:
        assert parse(newer("dm.received", event())) == parse(classic(event()))

    def test_are_taken_in_the_short_form(self) -> None:
        assert only(short()) == Said(
            account=None,
            sender=Sender("123456", ("123456",)),
            external_id="dm_id",
            text="Help with my account",
            at=None,
        )

    @pytest.mark.parametrize(
        ("user", "name"),
        [
            ({"name": " ", "screen_name": "ada"}, "ada"),
            ({"name": "A\0da"}, "Ada"),
            ({"name": "a" * 300}, "a" * 200),
            ({"name": 7}, None),
            ({}, None),
        ],
    )
    def test_know_their_senders_name(self, user: JsonValue, name: str | None) -> None:
        body = classic(event())
        body["users"][ADA] = user
        assert said(body).sender.name == name

    def test_of_our_own_are_echoes(self) -> None:
        sent = event(sender=US, recipient=ADA)
        echo = Echo(US, ADA, "1062245772333000000", "Hello", AT, app="268278")
        assert parse(classic(sent)) == parse(newer("dm.sent", sent)) == [echo]

    def test_to_ourselves_are_nothing(self) -> None:
        assert parse(classic(event(sender=US, recipient=US))) == []

    def test_of_an_echo_stay_whole(self) -> None:
        echo = only(classic(event(sender=US, recipient=ADA, text="a" * 16_001)))
        assert isinstance(echo, Echo)
        assert echo.text == "a" * 16_000

    def test_come_in_the_order_of_their_time(self) -> None:
        late, early = event("1", stamp="1795167001251"), event("2", stamp="1795167001249")
        timeless = event("3", stamp="soon")
        heard = parse(classic(timeless, late, event("4", sender=US, recipient=ADA), early))
        assert [each.external_id for each in heard if isinstance(each, Said | Echo)] == [
            "3",
            "2",
            "4",
            "1",
        ]

    def test_that_are_too_long_become_several(self) -> None:
        text = "a" * 16_000 + "b" * 16_000 + "c"
        parts = [
            (each.external_id, each.text, each.files)
            for each in parse(classic(event("1", text=text, attachment=photo())))
            if isinstance(each, Said)
        ]
        file = File("https://ton.twitter.com/1.1/ton/data/dm/1/2/cat.jpg", name="cat.jpg")
        assert parts == [
            ("1", "a" * 16_000, (file,)),
            ("1/1", "b" * 16_000, ()),
            ("1/2", "c", ()),
        ]

    @pytest.mark.parametrize("text", ["a\0b", "\0a\0b\0"])
    def test_lose_what_cannot_be_kept(self, text: str) -> None:
        assert said(short(text)).text == "ab"

    def test_have_a_mark_where_a_surrogate_stood(self) -> None:
        assert said(short("a\ud800b")).text == "a\ufffdb"

    def test_have_their_links_as_they_were_written(self) -> None:
        link = {"url": "https://t.co/Ab1", "expanded_url": "https://example.com/order?id=7"}
        urls = [link, {"url": 1}, "x"]
        text = "See https://t.co/Ab1 and https://t.co/Ab12"
        heard = said(classic(event(text=text, entities={"urls": urls})))
        assert heard.text == "See https://example.com/order?id=7 and https://t.co/Ab12"

    def test_tell_which_answer_was_chosen(self) -> None:
        chosen = {"type": "options", "metadata": "external_id_2"}
        heard = said(classic(event(quick_reply_response=chosen)))
        assert heard.metadata == {"payload": "external_id_2"}

    def test_tell_at_which_post_they_began(self) -> None:
        body = classic(event() | {"initiated_via": {"tweet_id": "123456"}})
        assert said(body).metadata == {"referral": {"tweet_id": "123456"}}


class TestFiles:
    def test_come_without_the_link_that_stands_for_them(self) -> None:
        heard = said(classic(event(text="My cat https://t.co/Pic1", attachment=photo())))
        assert heard.text == "My cat"
        assert [each.name for each in heard.files] == ["cat.jpg"]

    @pytest.mark.parametrize(
        ("kind", "named"),
        [
            ("photo", "Sent a photo."),
            ("video", "Sent a video."),
            ("animated_gif", "Sent a GIF."),
            ("hologram", "Sent something that cannot be shown here."),
        ],
    )
    def test_without_a_word_are_named(self, kind: str, named: str) -> None:
        body = classic(event(text="https://t.co/Pic1", attachment=photo(type=kind)))
        assert said(body).text == named

    def test_are_films_rather_than_their_first_picture(self) -> None:
        variants: JsonValue = [
            {"content_type": "application/x-mpegURL", "url": "https://video.twimg.com/dm/a.m3u8"},
            {"content_type": "video/mp4", "bitrate": 320, "url": "https://video.twimg.com/lo.mp4"},
            {"content_type": "video/mp4", "bitrate": 832, "url": "https://video.twimg.com/hi.mp4"},
        ]
        film = photo(type="video", video_info={"variants": variants})
        heard = said(classic(event(attachment=film)))
        assert heard.files == (File("https://video.twimg.com/hi.mp4", name="hi.mp4"),)

    @pytest.mark.parametrize(
        "address", ["http://ton.twitter.com/a.jpg", "https://a/" + "a" * 2_000, "https://a/\0", 1]
    )
    def test_are_left_out_where_the_address_is_none(self, address: JsonValue) -> None:
        heard = said(classic(event(attachment=photo(media_url_https=address))))
        assert heard.text == "Hello"
        assert heard.files == ()


MARK: JsonValue = {
    "created_timestamp": STAMP,
    "sender_id": ADA,
    "target": {"recipient_id": US},
    "last_read_event_id": "1062245772333000000",
}


class TestReadMarks:
    def test_tell_how_far_the_customer_has_read(self) -> None:
        body: JsonValue = {"for_user_id": US, "direct_message_mark_read_events": [MARK]}
        assert only(body) == ArrivedUntil(US, ADA, DeliveryState.READ, AT)

    def test_of_our_own_are_nothing(self) -> None:
        body: JsonValue = {"for_user_id": ADA, "direct_message_mark_read_events": [MARK]}
        assert parse(body) == []


class TestOddEvents:
    @pytest.mark.parametrize(
        "odd",
        [
            None,
            7,
            "text",
            [],
            {},
            event() | {"id": None},
            event() | {"id": True},
            event() | {"id": ""},
            event() | {"id": "a\0b"},
            event() | {"id": "1" * 501},
            event() | {"id": 10**40},
            event() | {"type": "welcome_message"},
            event() | {"message_create": None},
            event(sender=""),
            event(sender="1" * 201),
            event(text=None),
            event(sender=US, recipient=""),
        ],
    )
    def test_are_skipped_and_the_rest_is_kept(self, odd: JsonValue) -> None:
        heard = parse(classic(odd, event("1"), odd))
        assert [each.external_id for each in heard if isinstance(each, Said)] == ["1"]

    @pytest.mark.parametrize(
        "body",
        [
            {"for_user_id": US, "direct_message_indicate_typing_events": [{"sender_id": ADA}]},
            {"for_user_id": US, "follow_events": [{"type": "follow"}]},
            {"for_user_id": US, "tweet_create_events": [{"id": 1, "text": "@support hello"}]},
            {"data": {"event_type": "profile.update.bio", "payload": {"before": "a"}}},
        ],
    )
    def test_that_are_not_for_us_are_nothing(self, body: JsonValue) -> None:
        assert parse(body) == []

    def test_ids_may_be_numbers(self) -> None:
        body = classic(event() | {"id": 1062245772333000000, "created_timestamp": int(STAMP)})
        assert said(body).external_id == "1062245772333000000"
        assert said(body).at == AT


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\0", "\ud800", US, ADA, STAMP, "9" * 600]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
MARKED: dict[str, Any] = {
    **classic(event(attachment=photo(video_info={"variants": [{"bitrate": 1}]})), event(sender=US)),
    "direct_message_mark_read_events": [MARK],
}


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A good body in which some places hold something else, or nothing."""
    whole: dict[str, Any] = copy.deepcopy(
        draw(st.sampled_from([MARKED, newer("dm.received", event()), short()]))
    )
    for _ in range(draw(st.integers(1, 4))):
        place: Any = whole
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.integers(0, 4)):
                place = place[key]
                continue
            place[key] = draw(ANYTHING)
            break
    return whole


@given(body=ANYTHING | mutated())
def test_whatever_comes_is_read_without_a_fault(body: JsonValue) -> None:
    for heard in parse(body):
        if isinstance(heard, Said):
            assert storable(heard.text)
            assert 0 < len(heard.text) <= 16_000
            assert len(storable(heard.external_id)) <= 510
            assert len(storable(heard.sender.name or "")) <= 200
        elif isinstance(heard, Echo):
            assert storable(heard.text)
            assert heard.to != heard.account
        else:
            assert isinstance(heard, ArrivedUntil)
