"""Mail as the programs of real people and of no people write it."""

import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.mail import NotAMail, read_mail
from channels.mail_quotes import without_quotes
from domain.mail import Fate, Mail, MailKind, our_message, plain_subject, tagged_number
from tests.channels import mails


def read(raw: bytes, *ours: str) -> Mail:
    mail = read_mail(raw, ours=ours)
    assert isinstance(mail, Mail)
    return mail


class TestWhatPeopleWrite:
    def test_a_plain_mail_is_read_whole(self) -> None:
        mail = read(mails.PLAIN)
        assert mail.kind is MailKind.PERSON
        assert (mail.address, mail.name) == ("ada@example.com", "Ada Lovelace")
        assert mail.subject == "Grüße: it does not print"
        assert mail.to == ("support@holdfast.example",)
        assert mail.message_id == "<first@example.com>"
        assert mail.date is not None
        assert mail.date.isoformat() == "2026-03-02T09:11:12+00:00"
        assert mail.text == "Hello,\n\nit does not print.\n\n    error 42\n\nAda"
        assert (mail.quoted, mail.cut, mail.files) == ("", False, ())

    @pytest.mark.parametrize("reply", mails.REPLIES, ids=lambda reply: reply.name)
    def test_what_a_reply_quotes_is_left_away(self, reply: mails.Reply) -> None:
        mail = read(reply.raw)
        assert mail.text == reply.new
        assert mail.quoted
        assert mail.kind is MailKind.PERSON

    def test_a_mail_that_answers_nothing_is_never_folded(self) -> None:
        raw = mails.PLAIN.replace(b"it does not print.", b"> it does not print.")
        assert "> it does not print." in read(raw).text

    def test_what_is_forwarded_is_kept(self) -> None:
        mail = read(mails.FORWARDED)
        assert "Your invoice 17 is overdue." in mail.text
        assert not mail.quoted

    def test_a_reply_of_quotes_alone_keeps_them(self) -> None:
        raw = b"From: a@x.org\nIn-Reply-To: <b@x>\n\n> all of it\n> is quoted\n"
        assert read(raw).text == "> all of it\n> is quoted"

    def test_answers_between_quotes_keep_them(self) -> None:
        raw = b"From: a@x.org\nIn-Reply-To: <b@x>\n\n> one?\n\nyes\n\n> two?\n\nno\n\n> three\n"
        assert read(raw).text == "> one?\n\nyes\n\n> two?\n\nno"

    def test_html_alone_becomes_text(self) -> None:
        mail = read(mails.HTML_ALONE)
        assert mail.text.splitlines()[0] == "Hello & welcome"
        assert "alert" not in mail.text
        assert "color: red" not in mail.text

    def test_a_blank_plain_part_gives_way_to_html(self) -> None:
        message = EmailMessage()
        message["From"] = "a@x.org"
        message.set_content(" \n")
        message.add_alternative("<p>Here it is</p>", subtype="html")
        assert read(message.as_bytes()).text == "Here it is"

    def test_flowed_lines_are_joined(self) -> None:
        raw = (
            b"From: a@x.org\nContent-Type: text/plain; format=flowed\n\nThis is one \nline.\nTwo.\n"
        )
        assert read(raw).text == "This is one line.\nTwo."

    @pytest.mark.parametrize("charset", ["utf-7x", "unicode_escape", "hex", "\\ud800", ""])
    def test_a_charset_that_is_none_still_gives_text(self, charset: str) -> None:
        head = f'From: a@x.org\nContent-Type: text/plain; charset="{charset}"\n\n'
        assert read(head.encode() + "Grüße".encode()).text == "Grüße"

    def test_bytes_that_do_not_fit_their_charset_become_marks(self) -> None:
        raw = b"From: a@x.org\nContent-Type: text/plain; charset=us-ascii\n\nGr\xfc\xdfe"
        assert read(raw).text == "Gr\ufffd\ufffde"

    def test_nothing_is_left_that_postgresql_cannot_keep(self) -> None:
        raw = b"From: a@x.org\nSubject: a\0b =?utf-16?b?2AA=?=\n\na\0b\x1b[31m"
        mail = read(raw)
        assert "\0" not in mail.text + mail.subject
        (mail.text + mail.subject).encode()

    def test_the_subject_is_one_line_of_at_most_300(self) -> None:
        mail = read(b"From: a@x.org\nSubject: " + b"very " * 500 + b"\n long\n\n")
        assert len(mail.subject) == 300
        assert "\n" not in mail.subject

    def test_a_name_in_encoded_words_is_decoded(self) -> None:
        raw = b"From: =?iso-8859-1?q?J=FCrgen_M=FCller?= <J@X.org>\n\nhi"
        assert (read(raw).name, read(raw).address) == ("Jürgen Müller", "j@x.org")

    def test_a_name_that_should_be_quoted_is_read_all_the_same(self) -> None:
        assert read(b"From: Ada, Inc. <ada@x.org>\n\nhi").address == "ada@x.org"

    def test_without_a_message_id_the_same_mail_has_the_same_one(self) -> None:
        raw = b"From: a@x.org\n\nhi"
        assert read(raw).message_id == read(raw).message_id
        assert read(raw).message_id != read(raw + b"!").message_id

    def test_what_it_may_answer_is_listed_likeliest_first(self) -> None:
        raw = b"From: a@x.org\nReferences: <1@x>\n <2@x> <3@x>\nIn-Reply-To: <3@x>\n\nhi"
        assert read(raw).answers == ("<3@x>", "<2@x>", "<1@x>")


class TestFiles:
    def test_files_come_with_name_type_and_bytes(self) -> None:
        message = EmailMessage()
        message["From"] = "a@x.org"
        message.set_content("See there.")
        message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="à/b.pdf")
        message.add_attachment("a,b\n", subtype="csv", filename="t.csv")
        (pdf, table) = read(message.as_bytes()).files
        assert (pdf.name, pdf.content_type, pdf.content) == ("b.pdf", "application/pdf", b"%PDF-1")
        assert (table.name, table.content_type) == ("t.csv", "text/csv")

    def test_images_in_the_text_are_files_too(self) -> None:
        mail = read(mails.WITH_INLINE_IMAGE)
        assert mail.text == "Look:"
        assert [(each.name, each.content_type) for each in mail.files] == [
            ("screen.png", "image/png")
        ]

    def test_a_file_name_in_encoded_words_is_decoded(self) -> None:
        raw = mails.WITH_INLINE_IMAGE.replace(b'"screen.png"', b'"=?utf-8?b?w6TDtg==?=.png"')
        assert read(raw).files[0].name == "äö.png"

    def test_an_invitation_is_a_file(self) -> None:
        mail = read(mails.INVITATION)
        assert mail.text == "You are invited."
        assert [each.name for each in mail.files] == ["invitation.ics"]
        assert mail.files[0].content.startswith(b"BEGIN:VCALENDAR")

    def test_a_mail_in_the_mail_is_a_file(self) -> None:
        inner = EmailMessage()
        inner["From"] = "b@x.org"
        inner["Subject"] = "inside"
        inner.set_content("words inside")
        message = EmailMessage()
        message["From"] = "a@x.org"
        message.set_content("See there.")
        message.add_attachment(inner)
        mail = read(message.as_bytes())
        assert mail.text == "See there."
        assert mail.files[0].content_type == "message/rfc822"
        assert b"words inside" in mail.files[0].content

    def test_more_than_25_megabytes_are_cut(self) -> None:
        message = EmailMessage()
        message["From"] = "a@x.org"
        message.set_content("Two files.")
        for _ in range(2):
            message.add_attachment(
                b"x" * (13 * 1024 * 1024), maintype="application", subtype="zip", cte="8bit"
            )
        mail = read(message.as_bytes())
        assert (len(mail.files), mail.cut, mail.text) == (1, True, "Two files.")


class TestWhoWroteIt:
    @pytest.mark.parametrize("lines", mails.AUTOMATIC)
    def test_programs_are_told_from_people(self, lines: bytes) -> None:
        raw = lines + (b"" if b"From:" in lines else b"From: a@x.org\n") + b"\nhi"
        assert read(raw).kind is MailKind.AUTOMATIC

    @pytest.mark.parametrize("lines", mails.AUTO_REPLIES)
    def test_auto_replies_are_told_from_other_programs(self, lines: bytes) -> None:
        assert read(lines + b"From: a@x.org\n\nI am away").kind is MailKind.AUTO_REPLY

    @pytest.mark.parametrize(
        "lines",
        [
            b"Auto-Submitted: no\n",
            b"Precedence: normal\n",
            b"Return-Path: <a@x.org>\n",
            b"Subject: Out of office last week\n",
        ],
    )
    def test_people_are_told_from_programs(self, lines: bytes) -> None:
        assert read(lines + b"From: a@x.org\n\nhi").kind is MailKind.PERSON

    def test_our_own_address_is_ours_in_any_case(self) -> None:
        raw = b"From: Support@Holdfast.example\n\nhi"
        assert read(raw, "support@holdfast.example").kind is MailKind.OWN

    def test_a_mail_of_ours_that_comes_back_is_ours_whoever_sends_it(self) -> None:
        raw = f"From: list@x.org\nMessage-ID: {mails.OURS}\n\nhi".encode()
        assert read(raw, "support@holdfast.example").kind is MailKind.OWN
        assert read(raw, "support@bücher.example").kind is not MailKind.OWN
        shouted = raw.replace(b"@holdfast.example", b"@Holdfast.Example")
        assert read(shouted, "support@holdfast.example").kind is MailKind.OWN

    def test_a_mail_of_another_holdfast_is_somebodys(self) -> None:
        name = mails.OURS.replace("@holdfast.example", "@other.example")
        raw = f"From: support@other.example\nMessage-ID: {name}\n\nhi".encode()
        assert read(raw, "support@holdfast.example").kind is MailKind.PERSON

    def test_our_domain_is_known_as_it_is_written_on_the_wire(self) -> None:
        name = mails.OURS.replace("@holdfast.example", "@xn--bcher-kva.example")
        raw = f"From: list@x.org\nMessage-ID: {name}\n\nhi".encode()
        assert read(raw, "support@bücher.example").kind is MailKind.OWN

    @pytest.mark.parametrize(("raw", "fate", "status"), mails.REPORTS)
    def test_reports_say_of_what_and_how_it_went(
        self, raw: bytes, fate: Fate, status: str | None
    ) -> None:
        mail = read(raw)
        assert mail.kind is MailKind.REPORT
        assert mail.report is not None
        assert (mail.report.fate, mail.report.status) == (fate, status)
        assert mail.report.message_id == mails.OURS
        assert our_message(mail.report.message_id) is not None


class TestSubjects:
    @pytest.mark.parametrize(
        "subject",
        ["Help", "Re: Help", "AW: Re: Help", "RE: [#12] Help", "Re[2]: help".title(), "Help [#12]"],
    )
    def test_answers_and_tags_are_left_away(self, subject: str) -> None:
        assert plain_subject(subject) == "Help"

    def test_words_that_only_look_like_answers_stay(self) -> None:
        assert plain_subject("Invoice: Re-order") == "Invoice: Re-order"
        assert plain_subject("Internet: slow") == "Internet: slow"

    def test_the_tag_is_found(self) -> None:
        assert tagged_number("Re: Help [#123]") == 123
        assert tagged_number("Re: Help #123") is None
        assert tagged_number("[#" + "9" * 30 + "]") is None


class TestWhatNobodyShouldSend:
    @pytest.mark.parametrize(
        "raw", [b"", b"\0", b"hello", b"From: \n\n", b"From: nobody\n\nhi", b"\xff" * 1000]
    )
    def test_what_has_no_sender_is_no_mail(self, raw: bytes) -> None:
        assert read_mail(raw) == NotAMail("no_sender")

    @given(st.binary(max_size=400))
    def test_any_bytes_are_read_or_refused(self, raw: bytes) -> None:
        read_mail(raw)
        read_mail(b"From: a@x.org\n" + raw)
        read_mail(b"From: a@x.org\nContent-Type: multipart/mixed; boundary=a\n\n--a\n" + raw)

    @settings(max_examples=300)
    @given(st.data())
    def test_mutilated_mails_are_read_or_refused(self, data: st.DataObject) -> None:
        raw = bytearray(data.draw(st.sampled_from(mails.ALL)))
        for _ in range(data.draw(st.integers(1, 8))):
            start = data.draw(st.integers(0, len(raw)))
            end = data.draw(st.integers(start, min(len(raw), start + 40)))
            raw[start:end] = data.draw(st.binary(max_size=20))
        mail = read_mail(bytes(raw))
        if isinstance(mail, Mail):
            for text in (mail.text, mail.subject, mail.name or "", mail.address, mail.message_id):
                text.encode()
                assert "\0" not in text

    @given(st.text(alphabet="On at:>wrote.,0-9@<>\n \tFrom", max_size=500))
    def test_folding_never_fails_nor_adds_anything(self, text: str) -> None:
        assert len(without_quotes(text)) <= len(text)

    @pytest.mark.parametrize("raw", mails.MONSTERS, ids=range(len(mails.MONSTERS)))
    def test_monsters_take_no_time(self, raw: bytes) -> None:
        begun = time.perf_counter()
        read_mail(raw)
        assert time.perf_counter() - begun < 5
