"""Our replies as mails. Nothing that a person has written can become a header of its own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import idna

from channels.outgoing_files import is_elsewhere, name_of
from channels.outlet import Undeliverable
from domain.deliveries import Outgoing, Piece
from domain.mail import MailFile, plain_subject
from domain.models import AuthorKind

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,256}@[A-Za-z0-9.-]{1,255}")
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,498}>")
_LONGEST_SUBJECT = 300
_POLICY = policy.SMTP.clone(cte_type="7bit")
"""Not every server on the way takes more than seven bits."""


@dataclass(frozen=True, slots=True)
class Correspondent:
    """We, as people see us."""

    address: str
    name: str

    @property
    def domain(self) -> str:
        return wire_address(self.address).rpartition("@")[2]


def wire_address(address: str) -> str:
    """As it stands on the wire, with its domain in ASCII. Raises Undeliverable."""
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        ascii_domain = ""
    checked = f"{local}@{ascii_domain}"
    if not _ADDRESS.fullmatch(checked):
        raise Undeliverable("bad_address", "The e-mail address is none that mail can be sent to.")
    return checked


def mail_of(
    outgoing: Outgoing,
    piece: Piece,
    message_id: str,
    sender: Correspondent,
    files: Sequence[MailFile],
) -> bytes:
    """The whole mail, as SMTP wants it. Raises Undeliverable."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = str(Address(one_line(sender.name), addr_spec=wire_address(sender.address)))
    message["To"] = wire_address(outgoing.address)
    message["Subject"] = subject_of(outgoing)
    message["Date"] = format_datetime(outgoing.at or outgoing.waits_since)
    if outgoing.author is AuthorKind.AI:
        message["Auto-Submitted"] = "auto-replied"
        message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text_of(outgoing, piece))
    for file in files:
        kind, _, form = file.content_type.partition("/")
        is_whole = kind in ("multipart", "message") or not re.fullmatch(r"[\w.+-]+", form)
        message.add_attachment(
            file.content,
            maintype="application" if is_whole else kind,
            subtype="octet-stream" if is_whole else form,
            filename=one_line(file.name) or "file",
        )
    return _ids(message_id, outgoing.in_reply_to) + message.as_bytes()


def subject_of(outgoing: Outgoing) -> str:
    """`Re: Help [#12]`: some programs thread by it, and people find it again."""
    subject = plain_subject(one_line(outgoing.subject))[:_LONGEST_SUBJECT] or "Your message"
    return f"Re: {subject} [#{outgoing.ticket_number}]"


def text_of(outgoing: Outgoing, piece: Piece) -> str:
    """The words, where files are that lie elsewhere, and who it was."""
    links = [f"{name_of(each)}: {each['url']}" for each in piece.files if is_elsewhere(each)]
    signed = [f"-- \n{one_line(outgoing.author_name)}"] if outgoing.author_name else []
    return "\n\n".join([piece.text.rstrip(), *(["\n".join(links)] if links else []), *signed])


def one_line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())


def _ids(message_id: str, in_reply_to: str | None) -> bytes:
    """By hand: Python would fold what is longer than a line, and break it."""
    answered = _MESSAGE_ID.match(in_reply_to or "")
    lines = [f"Message-ID: {message_id}"]
    if answered:
        lines += [f"In-Reply-To: {answered[0]}", f"References: {answered[0]}"]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
