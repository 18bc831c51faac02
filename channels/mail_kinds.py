"""Who or what has written a mail: a person, a program, or a server that tells of our own mail."""

import re
from collections.abc import Iterator
from email.message import Message

from channels.mail_headers import header_of, message_ids
from domain.mail import Fate, MailKind, Report, our_message

_ROBOTS = re.compile(
    r"(?:mailer-daemon|postmaster|no[-_.]?reply|do[-_.]?not[-_.]?reply|bounces?)(?:[-+.].*)?@.*"
)
_OUT_OF_OFFICE = re.compile(
    r"\s*(?:auto(?:matic)?[- ]?reply|auto(?:matic)? response|out of (?:the )?office|"
    r"automatische antwort|abwesenheit|automatisch antwoord|réponse automatique|"
    r"respuesta automática|risposta automatica|resposta automática|automatiskt svar|autosvar|"
    r"odpowiedź automatyczna|automatická odpověď)",
    re.IGNORECASE,
)
_LISTED = frozenset({"bulk", "junk", "list", "auto_reply"})
_NO = frozenset({"", "no", "none"})
_FATES = {
    "failed": Fate.FAILED,
    "delayed": Fate.DELAYED,
    "delivered": Fate.DELIVERED,
    "displayed": Fate.READ,
}
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_MOST_PARTS = 20


def kind_of(message: Message, address: str, subject: str, report: Report | None) -> MailKind:
    if report is not None:
        return MailKind.REPORT
    if _is_auto_reply(message, subject):
        return MailKind.AUTO_REPLY
    return MailKind.AUTOMATIC if _is_automatic(message, address) else MailKind.PERSON


def report_of(message: Message) -> Report | None:
    """What a `multipart/report` tells of a mail of ours; None for all others."""
    if message.get_content_type() != "multipart/report":
        return None
    parts = list(_parts(message))
    for part in parts:
        kind = part.get_content_type()
        if kind in ("message/delivery-status", "message/disposition-notification"):
            fields = _fields(part)
            action = fields.get("action", "").split(" ")[0].lower()
            if kind == "message/disposition-notification":
                action = fields.get("disposition", "").rpartition(";")[2].strip().lower()
            status = _STATUS.search(fields.get("status", ""))
            fate = _FATES.get(action, Fate.OTHER)
            return Report(_reported(message, parts, fields), fate, status[0] if status else None)
    return None


def _is_auto_reply(message: Message, subject: str) -> bool:
    submitted = _word(message, "auto-submitted")
    if submitted.startswith("auto-replied"):
        return True
    by_name = any(
        _word(message, name) not in _NO
        for name in ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from")
    )
    is_marked = submitted not in _NO or bool(header_of(message, "x-auto-response-suppress"))
    return (
        by_name
        or _word(message, "precedence") == "auto_reply"
        or (is_marked and bool(_OUT_OF_OFFICE.match(subject)))
    )


def _is_automatic(message: Message, address: str) -> bool:
    return (
        _word(message, "auto-submitted") not in _NO
        or _word(message, "precedence") in _LISTED
        or header_of(message, "return-path").replace(" ", "") == "<>"
        or any(
            header_of(message, name)
            for name in ("list-id", "list-unsubscribe", "feedback-id", "x-auto-response-suppress")
        )
        or _ROBOTS.fullmatch(address) is not None
    )


def _reported(message: Message, parts: list[Message], fields: dict[str, str]) -> str | None:
    """Our Message-ID: in what the report returns of the mail, or in what it answers."""
    told = [fields.get("original-message-id", "")]
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            told += [each.get("message-id", "") for each in _blocks(part)]
    told += [header_of(message, "in-reply-to"), header_of(message, "references")]
    found = [each for value in told for each in message_ids(value)]
    return next((each for each in found if our_message(each)), found[0] if found else None)


def _fields(part: Message) -> dict[str, str]:
    """All fields of a report in one: of several recipients there is one, we write to one."""
    together: dict[str, str] = {}
    for block in _blocks(part):
        together |= block
    return together


def _blocks(part: Message) -> Iterator[dict[str, str]]:
    """The header blocks in a part: those that the parser has made of it, or those in its text."""
    if part.is_multipart():
        for inner in _parts(part, depth=1):
            yield {name.lower(): str(value) for name, value in inner.raw_items()}
        return
    content = part.get_payload(decode=True)
    text = content[:64_000].decode("utf-8", "replace") if isinstance(content, bytes) else ""
    for block in re.split(r"\n\s*\n", text.replace("\r", "")):
        lines = re.sub(r"\n[ \t]+", " ", block).split("\n")
        yield {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in lines)
            if colon
        }


def _parts(message: Message, depth: int = 3) -> Iterator[Message]:
    """What is in it, not too deep, and not too much."""
    payload = message.get_payload()
    if not isinstance(payload, list) or depth == 0:
        return
    for part in payload[:_MOST_PARTS]:
        if isinstance(part, Message):
            yield part
            if part.get_content_maintype() == "multipart":
                yield from _parts(part, depth - 1)


def _word(message: Message, name: str) -> str:
    """A header's value without parameters and comments."""
    return re.split(r"[;(]", header_of(message, name), maxsplit=1)[0].strip().lower()
