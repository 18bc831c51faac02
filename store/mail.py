"""Mail, from wherever it comes, into the log; `store.mail_threads` says into which ticket."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import DeadlinePolicy
from domain.events import Event
from domain.mail import (
    Fate,
    Mail,
    Mailbox,
    MailKind,
    Report,
    our_message,
    plain_subject,
    untagged,
)
from domain.models import AuthorKind, Channel, DeliveryState, EventType
from domain.subjects import subject_of
from domain.telling import tell
from store import assistance, customers, delivery_news, threads, tickets
from store.customers import Introduction
from store.mail_threads import ticket_of
from store.tables import Customer
from store.threads import Draft
from store.tickets import NewTicket, TicketRow, Written

_PART = 16_000
"""Characters of one message; a longer mail is several."""
_FILES_ONLY = "Sent files."
_NOTHING = "The mail has no text."
_LONGEST_AUTO_REPLY = 2_000

_RECENT = timedelta(hours=1)
_MOST_TICKETS = 10
_MOST_MAILS = 20
"""Of one customer within that time. Nobody writes so much: a program answers ours, and does not
say that it is one."""

_STATES = {
    Fate.FAILED: DeliveryState.FAILED,
    Fate.DELIVERED: DeliveryState.DELIVERED,
    Fate.READ: DeliveryState.READ,
}
_WHY = {
    "5.1.": "there is no such address",
    "5.2.2": "the mailbox is full",
    "5.2.3": "it is too long",
    "5.3.4": "it is too long",
    "5.4.": "the mail server of the address cannot be reached",
    "5.7.": "their mail server does not let it in",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a mail; `written` is None for what is no message. `number` is that of a
    ticket which it opened."""

    written: Written | None = None
    number: int | None = None


async def is_known(session: AsyncSession, mailbox: Mailbox, message_id: str) -> bool:
    """Whether the mail stands in the log."""
    return bool(await threads.known(session, mailbox.source, [message_id]))


async def take(
    session: AsyncSession,
    mailbox: Mailbox,
    mail: Mail,
    files: Sequence[dict[str, Any]],
    policy: DeadlinePolicy,
) -> Taken:
    """Write a mail into its ticket, or open one; `files` as they go into `attachments`.

    The same mail again, by its Message-ID, changes nothing.
    """
    if mail.kind is MailKind.OWN:
        return Taken()
    if not await threads.is_new(session, mailbox.source, mail.message_id):
        return Taken()
    if mail.report is not None:
        await _tell_of_delivery(session, mailbox, mail.report)
        return Taken()
    if mail.kind is MailKind.AUTO_REPLY:
        await _note_auto_reply(session, mailbox, mail)
        return Taken()
    introduction = Introduction(
        Channel.EMAIL, name=mail.name, email=mail.address, identities=(mail.address,)
    )
    customer = await customers.meet(session, introduction)
    row = await ticket_of(session, mailbox, mail, customer)
    drafts = _drafts(mailbox, mail, customer, row, files)
    if row is None:
        taken = await _open(session, mailbox, mail, customer, drafts[0], policy)
    else:
        written = await tickets.write(session, row, drafts[0], policy)
        taken = await _taken(session, written, opened=written.ticket_id != row.ticket.id)
    if taken.written is None:
        return taken
    for draft in drafts[1:]:
        written_to = await tickets.find(session, taken.written.ticket_id, lock=True)
        await tickets.write(session, written_to, draft, policy)
    if mail.kind is MailKind.AUTOMATIC or await _too_many(session, taken.written, customer):
        await assistance.hand_over(session, taken.written.ticket_id)
    return taken


async def _open(
    session: AsyncSession,
    mailbox: Mailbox,
    mail: Mail,
    customer: Customer,
    first: Draft,
    policy: DeadlinePolicy,
) -> Taken:
    new = NewTicket(
        customer_id=customer.id,
        channel=Channel.EMAIL,
        subject=untagged(mail.subject) or subject_of(mail.text, customer.name),
        channel_identity=mail.address,
        outlet=mailbox.outlet,
    )
    return await _taken(
        session, await tickets.open_ticket(session, new, first, policy), opened=True
    )


async def _taken(session: AsyncSession, written: Written, *, opened: bool) -> Taken:
    if not opened:
        return Taken(written)
    return Taken(written, (await tickets.find(session, written.ticket_id)).ticket.number)


def _drafts(
    mailbox: Mailbox,
    mail: Mail,
    customer: Customer,
    row: TicketRow | None,
    files: Sequence[dict[str, Any]],
) -> list[Draft]:
    """As many messages as the mail's length needs."""
    content = mail.text or (_FILES_ONLY if files else _NOTHING)
    metadata = _metadata(mail, row)
    return [
        Draft(
            author=AuthorKind.CUSTOMER,
            author_id=str(customer.id),
            author_name=customer.name or mail.address,
            content=content[start : start + _PART],
            metadata=metadata,
            attachments=[] if part else list(files),
            source=mailbox.source,
            external_id=f"{mail.message_id}/{part}" if part else mail.message_id,
        )
        for part, start in enumerate(range(0, len(content), _PART))
    ]


def _metadata(mail: Mail, row: TicketRow | None) -> dict[str, Any]:
    """What agents may want to know of a mail besides its words."""
    told: dict[str, Any] = {}
    if mail.quoted:
        told["quoted"] = mail.quoted
    if mail.cut:
        told["cut"] = True
    if row is not None:
        if mail.address != row.ticket.channel_identity:
            told["from"] = mail.address
        if plain_subject(mail.subject) != plain_subject(row.ticket.subject):
            told["subject"] = mail.subject
    return told


async def _tell_of_delivery(session: AsyncSession, mailbox: Mailbox, report: Report) -> None:
    state = _STATES.get(report.fate)
    if state is None or report.message_id is None or our_message(report.message_id) is None:
        return
    error = _reason(report.status) if state is DeliveryState.FAILED else None
    await delivery_news.news(session, mailbox.outlet, report.message_id, None, state, error)


def _reason(status: str | None) -> str:
    """A sentence for agents."""
    if status is None:
        return "The mail came back."
    why = next((words for code, words in _WHY.items() if status.startswith(code)), None)
    return f"The mail came back: {why} ({status})." if why else f"The mail came back ({status})."


async def _note_auto_reply(session: AsyncSession, mailbox: Mailbox, mail: Mail) -> None:
    """Agents may want to know that somebody is away. Nothing else follows from it."""
    customer = await customers.find_by_identity(session, Channel.EMAIL, mail.address)
    row = await ticket_of(session, mailbox, mail, customer)
    if row is None or not row.thread.open:
        return
    event = Event(type=EventType.AUTO_REPLIED)
    told = event.model_dump(mode="json", exclude_none=True)
    draft = Draft(
        author=AuthorKind.SYSTEM,
        content=tell(event),
        visibility=event.visibility,
        content_type="event",
        event=told | {"text": mail.text[:_LONGEST_AUTO_REPLY]},
        source=mailbox.source,
        external_id=mail.message_id,
    )
    await threads.append(session, row.locked, draft)


async def _too_many(session: AsyncSession, written: Written, customer: Customer) -> bool:
    limits = {"recent": _RECENT, "most": max(_MOST_MAILS, _MOST_TICKETS)}
    mails = await session.scalar(
        _MAILS, limits | {"id": written.ticket_id, "seq": written.entry.seq}
    )
    opened = await session.scalar(_TICKETS, limits | {"customer_id": customer.id})
    return (mails or 0) > _MOST_MAILS or (opened or 0) > _MOST_TICKETS


_MAILS = text(
    """
    SELECT count(*) FROM messages
    WHERE thread_id = :id AND seq > :seq - 3 * :most AND author = 'customer'
        AND created_at > now() - :recent
    """
)
_TICKETS = text(
    """
    SELECT count(*) FROM (
        SELECT FROM tickets WHERE customer_id = :customer_id AND channel = 'email'
            AND created_at > now() - :recent
        ORDER BY created_at DESC LIMIT :most
    ) AS recent
    """
)
