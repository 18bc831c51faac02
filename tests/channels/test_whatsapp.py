"""What WhatsApp tells, in our words."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import JsonValue
from pydantic_core import to_json

from channels.heard import Arrived, File, Heard, Reacted, Said, Sender
from channels.whatsapp import parse
from domain.models import DeliveryState
from domain.text import storable
from tests.channels.any_json import any_json, mutated

SECONDS = 1_700_000_000
AT = datetime.fromtimestamp(SECONDS, UTC)
ANN = Sender("+15550100", ("US.1", "+15550100"), "Ann")


def body(*messages: dict[str, Any], **more: object) -> dict[str, Any]:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001", "phone_number_id": "100"},
        "contacts": [{"profile": {"name": "Ann"}, "wa_id": "15550100", "user_id": "US.1"}],
        "messages": list(messages),
        **more,
    }
    changes = [{"field": "messages", "value": value}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


def message(kind: str = "text", external_id: str = "wamid.1", **more: object) -> dict[str, Any]:
    return {
        "from": "15550100",
        "id": external_id,
        "timestamp": str(SECONDS),
        "type": kind,
        **more,
    }


def text(said: str, external_id: str = "wamid.1", **more: object) -> dict[str, Any]:
    return message("text", external_id, text={"body": said}, **more)


def status(state: str, **more: object) -> dict[str, Any]:
    told = {"id": "wamid.9", "status": state, "timestamp": "1", "recipient_id": "15550100"}
    return body(statuses=[{**told, **more}])


def only(heard: list[Heard]) -> Said:
    (said,) = heard
    assert isinstance(said, Said)
    return said


SEEDS_BODY: dict[str, Any] = {
    "entry": [
        {
            "changes": [
                {
                    "value": {
                        "messages": [
                            {
                                "from": "+15550100",
                                "id": "wamid.xyz",
                                "text": {"body": "Hello, I have a question"},
                            }
                        ]
                    }
                }
            ]
        }
    ]
}


class TestText:
    def test_is_heard(self) -> None:
        assert parse(body(text("Hello"))) == [Said("100", ANN, "wamid.1", "Hello", AT)]

    def test_the_short_form_is_heard(self) -> None:
        sender = Sender("+15550100", ("+15550100",))
        said = Said(None, sender, "wamid.xyz", "Hello, I have a question", None)
        assert parse(SEEDS_BODY) == [said]

    def test_is_kept_without_what_cannot_be_kept(self) -> None:
        assert only(parse(body(text("a\0b\ud800c")))).text == "ab\ufffdc"

    def test_that_is_blank_is_named(self) -> None:
        for blank in ("", " \n", "\0"):
            assert only(parse(body(text(blank)))).text == "Sent an empty message."

    def test_that_is_long_becomes_several(self) -> None:
        parts = parse(body(text("x" * 16_000 + "y" * 16_000 + "z")))
        assert [(each.external_id, each.text[0]) for each in parts if isinstance(each, Said)] == [
            ("wamid.1", "x"),
            ("wamid.1/1", "y"),
            ("wamid.1/2", "z"),
        ]

    def test_that_is_long_begins_with_something(self) -> None:
        assert only(parse(body(text(" " * 16_000 + "x" + "\n" * 16_000)))).text == "x"

    def test_knows_what_it_answers(self) -> None:
        said = only(parse(body(text("Yes", context={"from": "15550001", "id": "wamid.0"}))))
        assert said.metadata == {"reply_to": "wamid.0"}

    def test_knows_the_advertisement_it_comes_from(self) -> None:
        referral = {"source_url": "https://fb.me/1", "headline": "H" * 900, "image": {"id": "1"}}
        said = only(parse(body(text("Yes", referral=referral))))
        assert said.metadata == {
            "referral": {"source_url": "https://fb.me/1", "headline": "H" * 200}
        }

    def test_comes_oldest_first(self) -> None:
        later = {**text("Second", external_id="wamid.2"), "timestamp": str(SECONDS + 1)}
        heard = parse(body(later, text("First")))
        assert [each.text for each in heard if isinstance(each, Said)] == ["First", "Second"]


class TestPeople:
    def test_who_hides_the_number_has_an_id(self) -> None:
        contact = {"profile": {"name": "Bo"}, "user_id": "US.2", "parent_user_id": "US.ENT.2"}
        hidden = {**text("Hi"), "from_user_id": "US.2", "from_parent_user_id": "US.ENT.2"}
        del hidden["from"]
        said = only(parse(body(hidden, contacts=[contact])))
        assert said.sender == Sender("US.2", ("US.ENT.2", "US.2"), "Bo")

    def test_a_number_is_where_replies_go_even_if_ids_are_surer(self) -> None:
        contact = {"wa_id": "15550100", "user_id": "US.2", "parent_user_id": "US.ENT.2"}
        said = only(parse(body(text("Hi"), contacts=[contact])))
        assert said.sender == Sender("+15550100", ("US.ENT.2", "US.2", "+15550100"))

    def test_a_contact_describes_a_message_that_names_nobody(self) -> None:
        anonymous = text("Hi")
        del anonymous["from"]
        assert only(parse(body(anonymous, contacts=[{"user_id": "US.2"}]))).sender == Sender(
            "US.2", ("US.2",)
        )

    def test_a_name_belongs_to_its_own_number(self) -> None:
        contacts = [
            {"profile": {"name": "Bo"}, "wa_id": "15550101"},
            {"profile": {"name": "Ann"}, "wa_id": "15550100"},
        ]
        assert only(parse(body(text("Hi"), contacts=contacts))).sender.name == "Ann"

    def test_a_name_is_cut(self) -> None:
        contacts = [{"profile": {"name": " A\0nn\n" + "x" * 999}, "wa_id": "15550100"}]
        name = only(parse(body(text("Hi"), contacts=contacts))).sender.name
        assert name == "Ann " + "x" * 196


class TestKinds:
    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            (message("image", image={"id": "7", "caption": "Look"}), "Look"),
            (message("image", image={"id": "7"}), "Sent an image."),
            (message("image"), "Sent an image."),
            (message("video", video={"id": "7"}), "Sent a video."),
            (message("audio", audio={"id": "7"}), "Sent an audio recording."),
            (message("audio", audio={"id": "7", "voice": True}), "Sent a voice message."),
            (message("sticker", sticker={"id": "7"}), "Sent a sticker."),
            (message("document", document={"filename": "a"}), "Sent a document."),
            (message("document", document={"id": "7", "filename": "a"}), "Sent a document: a"),
            (message("location", location={"latitude": 1, "longitude": -2.5}),
             "Sent a location: 1.000000, -2.500000"),
            (message("location", location={"name": "Pier", "address": "Dock 1"}),
             "Sent a location: Pier, Dock 1"),
            (message("location", location={"latitude": "x"}), "Sent a location."),
            (message("contacts", contacts=[
                {"name": {"formatted_name": "Bo"}, "phones": [{"phone": "+1555"}]},
                {"emails": [{"email": "c@example.com"}]}]),
             "Sent a contact: Bo, +1555; c@example.com"),
            (message("order", order={"text": "Soon, please", "product_items": [
                {"product_retailer_id": "sku1", "quantity": 2}, {"quantity": "1"}]}),
             "Soon, please\nSent an order: 2 x sku1, 1 x a product"),
            (message("system", system={"type": "user_changed_number", "body": "Changed"}),
             "Changed"),
            (message("unsupported", errors=[{"code": 131051}]),
             "Sent something that cannot be shown here."),
            (message("hologram"), "Sent something that cannot be shown here: hologram"),
            (message("button", button={"text": "Yes", "payload": "p"}), "Yes"),
            (message("interactive", interactive={"button_reply": {"id": "p"}}), "Chose p."),
            (message("interactive", interactive={}), "Pressed a button."),
            (message("interactive", interactive={"nfm_reply": {"response_json": "{}"}}),
             "Filled in a form: {}"),
        ],
    )  # fmt: skip
    def test_is_told_in_words(self, sent: dict[str, Any], said: str) -> None:
        assert only(parse(body(sent))).text == said

    @pytest.mark.parametrize("reply", ["button_reply", "list_reply"])
    def test_a_choice_keeps_what_it_stands_for(self, reply: str) -> None:
        chosen = {"type": reply, reply: {"id": "refund", "title": "Refund"}}
        said = only(parse(body(message("interactive", interactive=chosen))))
        assert (said.text, said.metadata) == ("Refund", {"payload": "refund"})

    @pytest.mark.parametrize("kind", ["image", "video", "audio", "document", "sticker"])
    def test_a_file_is_named_by_its_id(self, kind: str) -> None:
        digest = hashlib.sha256(b"x")
        media = {
            "id": "77",
            "mime_type": "image/png",
            "filename": "a.png",
            "sha256": base64.b64encode(digest.digest()).decode(),
        }
        said = only(parse(body(message(kind) | {kind: media})))
        assert said.files == (File("77", "image/png", "a.png", digest.hexdigest()),)

    def test_a_digest_may_be_in_hex_and_may_be_none(self) -> None:
        for spelled, digest in (("A" * 64, "a" * 64), ("!", None), ("YQ==", None)):
            sent = message("image", image={"id": "7", "sha256": spelled})
            assert only(parse(body(sent))).files[0].sha256 == digest

    def test_a_changed_number_is_marked(self) -> None:
        sent = message("system", system={"type": "user_changed_number"})
        assert only(parse(body(sent))).metadata == {"system": "user_changed_number"}

    def test_what_says_nothing_is_left_out(self) -> None:
        assert parse(body(message("request_welcome"))) == []


class TestReactions:
    def test_is_heard(self) -> None:
        sent = message("reaction", reaction={"message_id": "wamid.0", "emoji": "👩‍🚀"})
        reacted = Reacted("100", ANN, "wamid.1", "wamid.0", "👩‍🚀", AT)
        assert parse(body(sent)) == [reacted]

    @pytest.mark.parametrize("emoji", [{}, {"emoji": ""}])
    def test_without_an_emoji_is_taken_back(self, emoji: dict[str, str]) -> None:
        sent = message("reaction", reaction={"message_id": "wamid.0", **emoji})
        assert parse(body(sent)) == [Reacted("100", ANN, "wamid.1", "wamid.0", None, AT)]

    def test_to_nothing_is_left_out(self) -> None:
        assert parse(body(message("reaction"))) == []


class TestStatuses:
    @pytest.mark.parametrize(
        ("told", "state"),
        [
            ("sent", DeliveryState.SENT),
            ("delivered", DeliveryState.DELIVERED),
            ("read", DeliveryState.READ),
            ("played", DeliveryState.READ),
        ],
    )
    def test_tells_how_far_a_message_has_come(self, told: str, state: DeliveryState) -> None:
        assert parse(status(told, biz_opaque_callback_data="id/0")) == [
            Arrived("100", "wamid.9", state, our_id="id/0", address="+15550100")
        ]

    @pytest.mark.parametrize(
        ("errors", "sentence"),
        [
            ([{"code": 131047, "title": "TEXT"}], "24 hours"),
            ([{"code": 131026, "message": "TEXT"}], "cannot be reached"),
            ([{"code": 132001}], "template"),
            ([{"code": 999999, "title": "TEXT"}], "reports error 999999"),
            ([], "has not delivered"),
            ("TEXT", "has not delivered"),
        ],
    )
    def test_a_failure_is_told_in_our_words(self, errors: object, sentence: str) -> None:
        (arrived,) = parse(status("failed", errors=errors))
        assert isinstance(arrived, Arrived)
        assert arrived.state is DeliveryState.FAILED
        assert sentence in (arrived.error or "")
        assert "TEXT" not in (arrived.error or "")

    def test_who_hides_the_number_is_an_address_too(self) -> None:
        (arrived,) = parse(status("read", recipient_id=None, recipient_user_id="US.2"))
        assert isinstance(arrived, Arrived)
        assert arrived.address == "US.2"

    def test_unknown_ones_are_left_out(self) -> None:
        assert parse(status("pondered")) == []
        assert parse(status("read", id=None)) == []

    def test_comes_after_what_was_said(self) -> None:
        both = status("read")
        both["entry"] += body(text("Hello"))["entry"]
        assert [type(each) for each in parse(both)] == [Said, Arrived]


class TestOddBodies:
    def test_one_odd_event_leaves_the_others(self) -> None:
        odd = [
            {**text("x"), "id": "x" * 501},
            {**text("x"), "id": None},
            {**text("x"), "id": "\0"},
            "message",
            None,
        ]
        whole = body(text("kept"))
        whole["entry"][0]["changes"][0]["value"]["messages"] += odd
        whole["entry"] += ["entry", None, {}, {"changes": 7}, {"changes": [{"value": []}]}]
        assert only(parse(whole)).text == "kept"

    def test_nobody_is_no_sender(self) -> None:
        assert parse(body({**text("x"), "from": None}, contacts=[])) == []

    def test_other_fields_are_left_out(self) -> None:
        other = body(text("x"))
        other["entry"][0]["changes"][0]["field"] = "message_template_status_update"
        assert parse(other) == []

    @pytest.mark.parametrize("timestamp", [None, "", "x", "9" * 20, "-1", 10**400, 1e308, True])
    def test_an_odd_instant_is_none(self, timestamp: object) -> None:
        assert only(parse(body({**text("x"), "timestamp": timestamp}))).at is None

    def test_errors_of_the_account_are_no_messages(self) -> None:
        assert parse(body(errors=[{"code": 130429}])) == []


REAL_BODIES: list[dict[str, Any]] = [
    SEEDS_BODY,
    status("failed", errors=[{"code": 131047}], biz_opaque_callback_data="id/0"),
    body(text("Hi", context={"id": "wamid.0"}, referral={"headline": "H", "body": "B"})),
    body(message("image", image={"id": "7", "caption": "c", "sha256": "a" * 64})),
    body(message("reaction", reaction={"message_id": "wamid.0", "emoji": "x"})),
    body(message("location", location={"latitude": 1.5, "longitude": 2, "name": "n"})),
    body(message("contacts", contacts=[{"name": {"formatted_name": "B"}, "phones": [{}]}])),
    body(message("interactive", interactive={"list_reply": {"id": "1", "title": "t"}})),
    body(message("order", order={"product_items": [{"quantity": 1}]})),
    body(message("system", system={"type": "t", "body": "b"})),
]


@settings(deadline=None)
@given(any_json)
def test_any_json_is_read(value: JsonValue) -> None:
    parse(value)


@settings(max_examples=500, deadline=None)
@given(mutated(REAL_BODIES))
def test_whatever_is_heard_can_be_kept(value: JsonValue) -> None:
    for heard in parse(value):
        if isinstance(heard, Said):
            assert 0 < len(storable(heard.text)) <= 16_000
            assert heard.text.strip()
            assert len(storable(heard.sender.name or "")) <= 200
            assert all(0 < len(storable(each)) <= 200 for each in heard.sender.identities)
            assert heard.sender.address in heard.sender.identities
            assert len(to_json(heard.metadata)) <= 8 * 1024
        if not isinstance(heard, Arrived):
            assert isinstance(heard, Said | Reacted)
            storable(heard.external_id)
