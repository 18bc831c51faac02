"""Whole stanzas in and out, without a server."""

from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import xmlns
from bridge.reading import read, read_message
from bridge.stanzas import (
    Bounced,
    Displayed,
    File,
    Ignored,
    Incoming,
    Outgoing,
    Presence,
    Receipt,
    Received,
    Reply,
    Said,
    Seen,
    Typing,
    TypingNotice,
)
from bridge.writing import to_xml

OWN = "support@example.org"
ALICE = "alice@example.com/phone"
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/>{}</encrypted>"


def message(children: str, attributes: str = "type='chat' id='m1'", sender: str = ALICE) -> Element:
    return fromstring(
        f"<message xmlns='jabber:client' from='{sender}' to='{OWN}' {attributes}>"
        f"{children}</message>"
    )


def presence(children: str = "", attributes: str = "") -> Element:
    return fromstring(
        f"<presence xmlns='jabber:client' from='{ALICE}' to='{OWN}' {attributes}>"
        f"{children}</presence>"
    )


def said(children: str, attributes: str = "type='chat' id='m1'") -> Said:
    found = read(message(children, attributes), OWN)
    assert isinstance(found, Said), found
    return found


class TestSaid:
    def test_reads_everything_of_a_full_message(self) -> None:
        children = """
            <subject>Order</subject>
            <thread>t1</thread>
            <body>It is late.</body>
            <origin-id xmlns='urn:xmpp:sid:0' id='o1'/>
            <replace xmlns='urn:xmpp:message-correct:0' id='m0'/>
            <request xmlns='urn:xmpp:receipts'/>
            <markable xmlns='urn:xmpp:chat-markers:0'/>
            <x xmlns='jabber:x:oob'><url>https://example.com/a.png</url><desc>A picture</desc></x>
            <active xmlns='http://jabber.org/protocol/chatstates'/>
            <delay xmlns='urn:xmpp:delay' from='example.org' stamp='2026-01-02T03:04:05Z'/>
            <stanza-id xmlns='urn:xmpp:sid:0' by='support@example.org' id='s1'/>"""
        assert said(children) == Said(
            from_jid=ALICE,
            to_jid=OWN,
            type="chat",
            body="It is late.",
            id="m1",
            origin_id="o1",
            stanza_id="s1",
            subject="Order",
            thread="t1",
            corrects="m0",
            files=(File("https://example.com/a.png", "A picture"),),
            wants_receipt=True,
            at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            encrypted=False,
        )

    def test_reads_a_message_of_nothing_but_a_body(self) -> None:
        found = said("<body>hello</body>", "")
        assert found == Said(from_jid=ALICE, to_jid=OWN, type="normal", body="hello")

    def test_leaves_the_stanza_as_it_was(self) -> None:
        stanza = message("<body>hello</body>")
        before = tostring(stanza)
        read(stanza, OWN)
        assert tostring(stanza) == before

    def test_believes_the_last_stanza_id_of_its_own_account(self) -> None:
        forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{OWN}' id='forged'/>"
        true = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{OWN}' id='true'/>"
        other = "<stanza-id xmlns='urn:xmpp:sid:0' by='room@example.net' id='other'/>"
        assert said(f"<body>x</body>{forged}{true}{other}").stanza_id == "true"

    def test_takes_no_stanza_id_from_anybody_else(self) -> None:
        other = "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.com' id='s1'/>"
        assert said(f"<body>x</body>{other}").stanza_id is None

    def test_believes_no_delay_but_its_own_server_s(self) -> None:
        forged = "<delay xmlns='urn:xmpp:delay' from='example.com' stamp='2001-01-01T00:00:00Z'/>"
        assert said(f"<body>x</body>{forged}").at is None

    @pytest.mark.parametrize("stamp", ["", "yesterday", "2026-01-02T03:04:05", "2026-99-99T0Z"])
    def test_has_no_time_where_the_stamp_is_none(self, stamp: str) -> None:
        delay = f"<delay xmlns='urn:xmpp:delay' from='{OWN}' stamp='{stamp}'/>"
        assert said(f"<body>x</body>{delay}").at is None

    def test_prefers_the_body_without_a_language(self) -> None:
        bodies = "<body xml:lang='de'>hallo</body><body>hello</body>"
        assert said(bodies).body == "hello"
        assert said("<body xml:lang='de'>hallo</body><body xml:lang='fr'>salut</body>").body == (
            "hallo"
        )

    def test_is_a_file_without_a_word(self) -> None:
        found = said("<x xmlns='jabber:x:oob'><url>https://example.com/a</url></x>")
        assert (found.body, found.files) == ("", (File("https://example.com/a"),))

    def test_wants_no_receipt_for_what_has_no_id(self) -> None:
        request = "<body>x</body><request xmlns='urn:xmpp:receipts'/>"
        assert not said(request, "type='chat'").wants_receipt

    @pytest.mark.parametrize(
        "children",
        [
            f"<body>I sent you an encrypted message.</body>{OMEMO.format('<payload>x</payload>')}",
            OMEMO.format("<payload>x</payload>"),
            "<encrypted xmlns='urn:xmpp:omemo:2'><payload>x</payload></encrypted>",
            "<body>?OTR:AAMC</body>",
            "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>",
            "<body>encrypted</body><x xmlns='jabber:x:encrypted'>x</x>",
            "<body>y</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:x' name='X'/>",
        ],
    )
    def test_says_what_is_encrypted(self, children: str) -> None:
        assert said(children).encrypted

    def test_reads_what_a_component_gets(self) -> None:
        stanza = fromstring(
            f"<message xmlns='jabber:component:accept' from='{ALICE}' "
            "to='help@support.example.org' type='chat' id='m1'><body>hello</body></message>"
        )
        found = read(stanza, "support@support.example.org")
        assert isinstance(found, Said)
        assert (found.body, found.to_jid) == ("hello", "help@support.example.org")

    def test_of_the_archive_has_the_archive_s_id_and_time(self) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        found = read_message(message("<body>x</body>"), OWN, "s9", at)
        assert isinstance(found, Said)
        assert (found.stanza_id, found.at) == ("s9", at)


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ("<received xmlns='urn:xmpp:receipts' id='r1'/>", Received(ALICE, "r1")),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='r1'/>", Displayed(ALICE, "r1")),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", Typing(ALICE, True)),
        ("<paused xmlns='http://jabber.org/protocol/chatstates'/>", Typing(ALICE, False)),
        ("<gone xmlns='http://jabber.org/protocol/chatstates'/>", Typing(ALICE, False)),
    ],
)
def test_reads_notices(children: str, expected: Incoming) -> None:
    assert read(message(children), OWN) == expected


def test_reads_errors() -> None:
    error = (
        "<body>what we had sent</body><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>No such user.</text></error>"
    )
    expected = Bounced(ALICE, "r1", "service-unavailable", "No such user.")
    assert read(message(error, "type='error' id='r1'"), OWN) == expected


def test_reads_an_error_without_a_reason() -> None:
    assert read(message("", "type='error' id='r1'"), OWN) == Bounced(
        ALICE, "r1", "undefined-condition"
    )


@pytest.mark.parametrize("condition", ["made-up", "x" * 2_000, "text"])
def test_reads_no_condition_but_the_defined_ones(condition: str) -> None:
    error = f"<error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    assert read(message(error, "type='error' id='r1'"), OWN) == Bounced(
        ALICE, "r1", "undefined-condition"
    )


def test_reads_no_error_of_an_endless_name() -> None:
    assert isinstance(read(message("", f"type='error' id='{'x' * 60_000}'"), OWN), Ignored)


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        (presence(), Seen(ALICE, available=True)),
        (presence("<show>away</show>"), Seen(ALICE, available=True, show="away")),
        (presence("<show>busy</show>"), Seen(ALICE, available=True)),
        (presence(f"<show>{'x' * 60_000}</show>"), Seen(ALICE, available=True)),
        (presence("<show>dnd</show>", "type='unavailable'"), Seen(ALICE, available=False)),
    ],
)
def test_reads_presence(stanza: Element, expected: Incoming) -> None:
    assert read(stanza, OWN) == expected


COPY = """<{0} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>
    <message xmlns='jabber:client' from='mallory@example.com' type='chat'><body>x</body></message>
    </forwarded></{0}>"""


@pytest.mark.parametrize(
    "stanza",
    [
        message("<body>x</body>", "type='groupchat' id='m1'"),
        message("<body>x</body>", "type='headline' id='m1'"),
        message("<subject>only</subject>", ""),
        message("<body/>"),
        message("<body>  \n </body>"),
        message(COPY.format("received")),
        message(COPY.format("sent")),
        message("<body>x</body>", sender=f"{OWN}/laptop"),
        message("<body>maintenance at noon</body>", sender="example.org"),
        message("<body>x</body>", sender=""),
        message(OMEMO.format("")),
        message("<received xmlns='urn:xmpp:receipts'/>"),
        message("", "type='error'"),
        presence("", "type='unsubscribed'"),
        presence("", "type='error'"),
    ],
)
def test_ignores(stanza: Element) -> None:
    assert isinstance(read(stanza, OWN), Ignored)


NAMES = (
    *("body", "subject", "thread", "show", "error", "x", "delay", "stanza-id", "origin-id"),
    *("received", "sent", "encrypted", "payload", "replace", "request", "url", "composing"),
)
NAMESPACES = [value for name, value in vars(xmlns).items() if name.isupper()]
TEXTS = st.none() | st.text(max_size=20)


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> Element:
    tag = f"{{{draw(st.sampled_from(NAMESPACES))}}}{draw(st.sampled_from(NAMES))}"
    names = st.sampled_from(["id", "by", "from", "stamp", "type"])
    values = st.sampled_from(["", OWN, ALICE, "error", "2026"]) | st.text(max_size=10)
    element = Element(tag, draw(st.dictionaries(names, values, max_size=3)))
    element.text = draw(TEXTS)
    if depth < 2:
        element.extend(draw(st.lists(elements(depth + 1), max_size=3)))
    return element


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(["message", "presence"]),
    attributes=st.dictionaries(
        st.sampled_from(["id", "from", "to", "type"]),
        st.sampled_from([ALICE, OWN, "a@b", "chat", "error", "unavailable"]) | st.text(max_size=10),
    ),
    children=st.lists(elements(), max_size=5),
)
def test_reads_anything_without_raising(
    name: str, attributes: dict[str, str], children: list[Element]
) -> None:
    stanza = Element(f"{{jabber:client}}{name}", attributes)
    stanza.extend(children)
    assert isinstance(read(stanza, OWN), Incoming)
    assert isinstance(read_message(stanza, OWN), Incoming)


class TestOutgoing:
    def test_reply(self) -> None:
        assert xml_of(Reply(ALICE, "r1", "Hello & <welcome>", thread="t1")) == xml(
            f"<message xmlns='jabber:client' type='chat' id='r1' to='{ALICE}'>"
            "<body>Hello &amp; &lt;welcome&gt;</body>"
            "<thread>t1</thread>"
            "<origin-id xmlns='urn:xmpp:sid:0' id='r1'/>"
            "<request xmlns='urn:xmpp:receipts'/>"
            "<markable xmlns='urn:xmpp:chat-markers:0'/>"
            "<active xmlns='http://jabber.org/protocol/chatstates'/>"
            "</message>"
        )

    def test_file_is_named_as_one(self) -> None:
        url = "https://example.org/a?b&c"
        stanza = to_xml(Reply(ALICE, "r1", url, is_file=True))
        out_of_band = stanza.find(f"{{{xmlns.OUT_OF_BAND}}}x/{{{xmlns.OUT_OF_BAND}}}url")
        assert out_of_band is not None
        assert out_of_band.text == stanza.findtext(f"{{{xmlns.CLIENT}}}body") == url

    def test_reply_of_a_component_says_who_speaks(self) -> None:
        reply = to_xml(
            Reply(ALICE, "r1", "x", from_jid="help@support.example.org"), xmlns.COMPONENT
        )
        assert reply.get("from") == "help@support.example.org"
        assert reply.findtext("{jabber:component:accept}body") == "x"

    def test_reply_holds_what_xml_cannot(self) -> None:
        body = to_xml(Reply(ALICE, "r1", "a\x00b\x0bc\ud800d\uffffe\tf\U0001f600"))[0]
        assert body.text == "a\ufffdb\ufffdc\ufffdd\ufffde\tf\U0001f600"

    @given(st.text())
    def test_reply_can_always_be_read_again(self, text: str) -> None:
        again = fromstring(tostring(to_xml(Reply(ALICE, "r1", text)), "utf-8"))
        assert again.find("{jabber:client}body") is not None

    @pytest.mark.parametrize(
        ("outgoing", "child"),
        [
            (Receipt(ALICE, "m1"), "<received xmlns='urn:xmpp:receipts' id='m1'/>"),
            (
                TypingNotice(ALICE, composing=True),
                f"<composing xmlns='http://jabber.org/protocol/chatstates'/>{NO_STORE}",
            ),
            (
                TypingNotice(ALICE, composing=False),
                f"<paused xmlns='http://jabber.org/protocol/chatstates'/>{NO_STORE}",
            ),
        ],
    )
    def test_notices(self, outgoing: Outgoing, child: str) -> None:
        stanza = to_xml(outgoing)
        assert stanza.attrib.pop("id")
        assert tostring(stanza) == tostring(
            xml_element(
                f"<message xmlns='jabber:client' type='chat' to='{ALICE}'>{child}</message>"
            )
        )

    def test_presence(self) -> None:
        assert xml_of(Presence(status="Ask us")) == xml(
            "<presence xmlns='jabber:client'><status>Ask us</status></presence>"
        )
        assert xml_of(Presence(ALICE, "subscribed")) == xml(
            f"<presence xmlns='jabber:client' to='{ALICE}' type='subscribed'/>"
        )

    def test_is_read_as_it_was_meant(self) -> None:
        stanza = to_xml(Reply(OWN, "r1", "hello", thread="t1"))
        SubElement(stanza, "{urn:xmpp:sid:0}stanza-id", by=OWN, id="s1")
        stanza.set("from", ALICE)
        assert read(stanza, OWN) == Said(
            from_jid=ALICE,
            to_jid=OWN,
            type="chat",
            body="hello",
            id="r1",
            origin_id="r1",
            stanza_id="s1",
            thread="t1",
            wants_receipt=True,
        )


def xml_element(text: str) -> Element:
    return fromstring(text)


def xml(text: str) -> bytes:
    return tostring(xml_element(text))


def xml_of(outgoing: Outgoing) -> bytes:
    return tostring(to_xml(outgoing))
