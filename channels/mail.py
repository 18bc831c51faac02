"""Mail, out of whatever bytes come (RFC 5322, MIME), without ever failing.

The parser is that of Python's older policy: it leaves headers as they are until they are asked
for. The newer one parses them all, takes quadratic time for some, and raises for others.
"""

import hashlib
import mimetypes
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy, utils
from email.message import Message

from channels.mail_headers import header_of, healed, message_ids
from channels.mail_kinds import kind_of, report_of
from channels.mail_quotes import without_quotes
from channels.mail_text import (
    LONGEST_QUOTED,
    LONGEST_TEXT,
    decoded,
    header_text,
    shown,
    tidy,
    unflowed,
)
from domain.mail import Mail, MailFile, MailKind, our_message

MAX_MAIL = 35 * 1024 * 1024
"""Bytes: 25 MB of files are that long in base64."""

_MAX_FILES = 25 * 1024 * 1024
_MOST_FILES = 100
_MOST_PARTS = 1_000
_DEEPEST = 20
_MOST_LINES = 1_000_000
_MOST_DASHES = 50_000
"""Lines that may begin a part."""
_MOST_WORK = 6_000_000
"""Lines times boundaries. 35 MB of files in three of them are less than half of it."""
_LONGEST_SUBJECT = 300
_LONGEST_NAME = 200
_LONGEST_ADDRESS = 320
_LONGEST_HEADER = 10_000
_LONGEST_FIELD = 4_000
_MOST_TEXT = 2 * 1024 * 1024
"""Bytes of all texts: what HTML needs for what somebody has written."""
_MOST_REFERENCES = 50

_ADDRESS = re.compile(
    r"[^\x00-\x20\x7f-\xa0@<>,;:\"()\[\]\\\ud800-\udfff]{1,256}"
    r"@[^\x00-\x20\x7f-\xa0@<>,;:\"()\\\ud800-\udfff]{1,255}"
)
_CONTENT_FIELD = re.compile(
    rb"(?:\A|[\r\n])content-(?:type|disposition)[ \t]*:[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(rb"boundary[\s*\d]*=", re.IGNORECASE)
_FORWARDED = re.compile(r"\s*(?:fwd?|wg|tr|rv|vs|vb|i|enc|pd|doorst)\s?:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NotAMail:
    reason: str
    """For programs and operators; no word of what came is in it."""


def read_mail(raw: bytes, *, ours: Collection[str] = ()) -> Mail | NotAMail:
    """Read a mail. `ours` are our own addresses, in lower case. Never raises."""
    if len(raw) > MAX_MAIL:
        return NotAMail("too_large")
    if _takes_for_ever(raw):
        return NotAMail("too_complex")
    try:
        return _mail(message_from_bytes(raw, policy=policy.compat32), raw, ours)
    except RecursionError:
        return NotAMail("too_complex")
    except Exception as error:  # noqa: BLE001  a library's parser, over bytes that anybody sends
        return NotAMail(type(error).__name__)


def _takes_for_ever(raw: bytes) -> bool:
    """Whether the parser would: it looks at each line for each boundary around it, takes quadratic
    time for parameters, and decodes them by whatever codec they name."""
    lines = max(raw.count(b"\n"), raw.count(b"\r"))
    boundaries = 1 + sum(1 for _ in _BOUNDARY.finditer(raw))
    if lines > _MOST_LINES or lines * boundaries > _MOST_WORK:
        return True
    if raw.count(b"\n--") + raw.count(b"\r--") > _MOST_DASHES:
        return True
    fields = (found[0] for found in _CONTENT_FIELD.finditer(raw))
    return any(len(each) > _LONGEST_FIELD or b"punycode" in each.lower() for each in fields)


def _mail(message: Message, raw: bytes, ours: Collection[str]) -> Mail | NotAMail:
    name, address = _author(header_of(message, "from"))
    if not _ADDRESS.fullmatch(address):
        return NotAMail("no_sender")
    in_reply_to = message_ids(header_of(message, "in-reply-to"))[:1]
    references = message_ids(header_of(message, "references"))[-_MOST_REFERENCES:]
    subject = header_text(header_of(message, "subject"))[:_LONGEST_SUBJECT]
    report = report_of(message)
    message_id = _message_id(message, raw)
    is_own = address in ours or _went_out_from(ours, message_id)
    kind = MailKind.OWN if is_own else kind_of(message, address, subject, report)
    answers = bool(in_reply_to or references)
    content = _Content(fold=answers and not _FORWARDED.match(subject))
    content.take(message)
    text, quoted = content.words()
    return Mail(
        kind=kind,
        address=address,
        name=name or None,
        to=_recipients(message),
        subject=subject,
        message_id=message_id,
        in_reply_to=in_reply_to,
        references=references,
        date=_date(header_of(message, "date")),
        text=text,
        quoted=quoted,
        cut=content.cut,
        files=tuple(content.files),
        report=report,
    )


@dataclass
class _Content:
    """What is in a mail's parts."""

    fold: bool
    texts: list[str] = field(default_factory=list)
    files: list[MailFile] = field(default_factory=list)
    cut: bool = False
    folded: list[str] = field(default_factory=list)
    """Texts of which something quoted was left away, whole."""
    _parts: int = 0
    _bytes: int = 0
    _text_bytes: int = 0
    _said: bool = False
    """These words were read in another form."""

    def take(self, part: Message, depth: int = 0) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS or depth > _DEEPEST:
            self.cut = True
        elif part.get_content_maintype() == "multipart":
            self._take_parts(part, depth)
        elif _is_text(part):
            self._take_text(part)
        else:
            self._take_file(part)

    def words(self) -> tuple[str, str]:
        """The text; and, where something quoted was left away from it, how all of it begins."""
        whole = tidy("\n\n".join(self.texts))
        self.cut = self.cut or sum(map(len, self.texts)) > LONGEST_TEXT
        new = without_quotes(whole) if self.fold else whole
        folded = [*self.folded, whole] if len(new) < len(whole) else self.folded
        return new, "\n\n".join(folded)[:LONGEST_QUOTED]

    def _take_text(self, part: Message) -> None:
        left = _MOST_TEXT - self._text_bytes
        if self._said:
            return
        if left <= 0:
            self.cut = True
        elif part.get_content_type() == "text/html":
            from channels.mail_html import new_text_of_html, text_of_html

            source = self._source(part, left)
            text, folded = new_text_of_html(source) if self.fold else (text_of_html(source), False)
            if folded:
                self.folded.append(tidy(text_of_html(source)))
            self.texts.append(text)
        else:
            # Asked before its bytes are, see `_bytes_of`.
            flowed = str(part.get_param("format", "")).lower() == "flowed"
            delsp = str(part.get_param("delsp", "")).lower() == "yes"
            text = self._source(part, left)[: 2 * LONGEST_TEXT]
            self.texts.append(unflowed(text, delsp=delsp) if flowed else text)

    def _source(self, part: Message, most: int) -> str:
        charset = part.get_content_charset()
        content = _bytes_of(part)[:most]
        self._text_bytes += len(content)
        return shown(decoded(content, charset))

    def _take_parts(self, part: Message, depth: int) -> None:
        children = _children(part)
        if part.get_content_subtype() != "alternative":
            for child in children:
                self.take(child, depth + 1)
            return
        # The same in several forms: the words are taken of the first that has any, the files of
        # all.
        before, said = self.texts, self._said
        chosen: list[str] = []
        for child in children:
            self.texts = []
            self.take(child, depth + 1)
            if not chosen and "".join(self.texts).strip():
                chosen, self._said = self.texts, True
        self.texts, self._said = before + chosen, said

    def _take_file(self, part: Message) -> None:
        kind, name = part.get_content_type(), _file_name(part)
        content = _bytes_of(part)
        if len(self.files) == _MOST_FILES or self._bytes + len(content) > _MAX_FILES:
            self.cut = True
        elif content:
            self._bytes += len(content)
            name = name or _usual_name(kind, len(self.files) + 1)
            self.files.append(MailFile(name, kind, content))


def _author(value: str) -> tuple[str, str]:
    """The name and the address, as `From` has them."""
    name, address = utils.parseaddr(value[:_LONGEST_HEADER])
    if not _ADDRESS.fullmatch(address):
        # Names that should be quoted and are not, like `Ada, Inc. <ada@example.com>`.
        found = _ADDRESS.findall(value[-_LONGEST_HEADER:])
        address, name = (found[-1], value.rpartition("<")[0]) if found else ("", "")
    return header_text(name).strip("\"' ")[:_LONGEST_NAME], address.lower()[:_LONGEST_ADDRESS]


def _recipients(message: Message) -> tuple[str, ...]:
    values = [header_of(message, name)[:_LONGEST_HEADER] for name in ("to", "cc", "delivered-to")]
    addresses = (address.lower() for _, address in utils.getaddresses(values))
    return tuple(dict.fromkeys(each for each in addresses if _ADDRESS.fullmatch(each)))


def _message_id(message: Message, raw: bytes) -> str:
    found = message_ids(header_of(message, "message-id"))
    if found and found[0].isprintable() and found[0].isascii():
        return found[0]
    return f"<{hashlib.sha256(raw).hexdigest()}@no-message-id.invalid>"


def _went_out_from(ours: Collection[str], message_id: str) -> bool:
    """Ours come back by lists and by rules that forward, under another sender's name too; those of
    another Holdfast are somebody's answers."""
    if our_message(message_id) is None:
        return False
    # There are few of them.
    from channels.mail_writing import wire_address

    domain = message_id.rstrip(">").rpartition("@")[2].lower()
    return domain in {wire_address(each).rpartition("@")[2] for each in ours}


def _date(value: str) -> datetime | None:
    try:
        at = utils.parsedate_to_datetime(value[:_LONGEST_NAME])
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _is_text(part: Message) -> bool:
    """Whether it is to be read in the mail itself."""
    if part.get_content_type() not in ("text/plain", "text/html"):
        return False
    return part.get_content_disposition() != "attachment" and not part.get_filename()


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if part.is_multipart() else []


def _bytes_of(part: Message) -> bytes:
    """A part's content; that of a mail in the mail is all of it."""
    if part.is_multipart():
        return b"".join(each.as_bytes() for each in _children(part))
    if "content-type" in part:
        # Else the parser decodes it, to encode it again, by whatever codec the mail names.
        part.replace_header("content-type", part.get_content_type())
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _file_name(part: Message) -> str:
    """Without the folders that it lay in."""
    name = header_text(healed(part.get_filename() or ""))
    return name.replace("\\", "/").rpartition("/")[2].strip(". ")[-_LONGEST_NAME:]


def _usual_name(content_type: str, number: int) -> str:
    if content_type == "text/calendar":
        return "invitation.ics"
    if content_type.startswith("message/"):
        return f"mail-{number}.eml"
    return f"file-{number}{mimetypes.guess_extension(content_type) or ''}"
