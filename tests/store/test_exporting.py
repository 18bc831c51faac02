"""All that is kept of a person, in one file."""

import json
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.ids import customer_id_text, ticket_id_text
from domain.models import AuthorKind, Visibility
from store import conversations, customer_requests, erasing, exporting, merging, tickets
from store.blobs import Blobs
from store.customer_tables import CustomerRequest
from store.database import Database
from store.threads import Draft
from tests.store.chatting import say
from tests.store.people import (
    carry_out,
    erase,
    merge,
    owner_of,
    somebody,
    talk_of,
    ticket_of,
)
from tests.store.writing import POLICY, write


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(tmp_path)


async def wanted(database: Database, customer_id: UUID) -> CustomerRequest:
    async with database.begin() as session:
        return await customer_requests.export(session, customer_id, "user:ada")


async def content(blobs: Blobs, request: CustomerRequest) -> bytes:
    chunks = await blobs.get(exporting.key_of(request.id))
    return b"".join([chunk async for chunk in chunks])


async def exported(database: Database, blobs: Blobs, customer_id: UUID) -> Any:  # noqa: ANN401  JSON
    request = await wanted(database, customer_id)
    assert await carry_out(database, blobs, request) == "done"
    return json.loads(await content(blobs, request))


async def test_holds_what_is_known_and_was_said(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database, "49170", name="Jane", email="jane@a.org")
    ticket_id = await ticket_of(database, customer_id, "My lamp is broken", channel_identity="1")
    await write(database, ticket_id, "Which lamp?")
    talk = await talk_of(database, customer_id)
    await say(database, talk, content="Anybody?")
    file = await exported(database, blobs, customer_id)
    assert file["format"] == exporting.FORMAT
    assert file["customer"]["customer_id"] == customer_id_text(customer_id)
    assert (file["customer"]["name"], file["customer"]["primary_email"]) == ("Jane", "jane@a.org")
    assert file["identities"] == [{"channel": "whatsapp", "identity": "49170"}]
    (ticket,) = file["tickets"]
    assert (ticket["ticket_id"], ticket["subject"]) == (ticket_id_text(ticket_id), "Help")
    assert [each["content"] for each in ticket["messages"]] == ["My lamp is broken", "Which lamp?"]
    (conversation,) = file["conversations"]
    assert conversation["conversation_id"] == str(talk)
    assert [each["content"] for each in conversation["messages"]] == ["Anybody?"]


async def test_notes_are_the_desks_own(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database)
    ticket_id = await ticket_of(database, customer_id)
    await write(database, ticket_id, "A difficult one", Visibility.PRIVATE)
    file = await exported(database, blobs, customer_id)
    assert "difficult" not in json.dumps(file)


async def test_says_how_far_replies_came_and_where_files_are(
    database: Database, blobs: Blobs
) -> None:
    customer_id = await somebody(database)
    ticket_id = await ticket_of(database, customer_id, channel_identity="1", outlet="whatsapp-1")
    file = {"id": "att_" + "0" * 32, "name": "a.png", "content_type": "image/png", "size": 1}
    elsewhere = {"url": "https://a.org/b", "name": "b"}
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        reply = Draft(AuthorKind.AGENT, "Here", attachments=[file, elsewhere])
        await tickets.write(session, row, reply, POLICY)
    (ticket,) = (await exported(database, blobs, customer_id))["tickets"]
    reply_shown = ticket["messages"][-1]
    assert reply_shown["delivery"]["state"] == "pending"
    assert reply_shown["attachments"] == [
        file | {"download": f"/api/attachments/{file['id']}"},
        elsewhere,
    ]


async def test_tells_who_was_merged(database: Database, blobs: Blobs) -> None:
    left, into = await somebody(database, "1", name="Old"), await somebody(database, name="New")
    await carry_out(database, blobs, await merge(database, left, into))
    file = await exported(database, blobs, into)
    assert [each["name"] for each in file["merged"]] == ["Old"]
    assert [each["kind"] for each in file["requests"]] == ["merge", "export"]


async def test_what_a_merge_has_not_moved_yet_is_in_it(
    database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, into = await somebody(database, "1"), await somebody(database, "2")
    ticket_id = await ticket_of(database, left, "My words")
    async with database.begin() as session:
        await session.execute(text("UPDATE tickets SET status = 'closed'"))

    async def dies(*_: object) -> bool:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(merging, "_merge_some", dies)
        with pytest.raises(ConnectionError):
            await carry_out(database, blobs, await merge(database, left, into))
    assert await owner_of(database, ticket_id) == left
    (ticket,) = (await exported(database, blobs, into))["tickets"]
    assert [each["content"] for each in ticket["messages"]] == ["My words"]


async def test_nobody_elses_is_in_it(database: Database, blobs: Blobs) -> None:
    customer_id, other = await somebody(database), await somebody(database, "49171")
    await ticket_of(database, other, "My words")
    file = await exported(database, blobs, customer_id)
    assert (file["tickets"], file["conversations"], file["identities"]) == ([], [], [])


async def test_thousands_of_tickets_do_not_fill_the_memory(
    database: Database, blobs: Blobs
) -> None:
    customer_id = await somebody(database)
    first = await ticket_of(database, customer_id, "x" * 5_000)
    async with database.begin() as session:
        await session.execute(_MANY, {"like": first})
    tracemalloc.start()
    size = 0
    async for chunk in exporting.chunks(database, customer_id):
        size += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 2_000 * 5_000
    assert peak < 5_000_000


async def test_long_threads_are_whole(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database)
    ticket_id = await ticket_of(database, customer_id, "message 1")
    async with database.begin() as session:
        await session.execute(_LONG, {"id": ticket_id})
    (ticket,) = (await exported(database, blobs, customer_id))["tickets"]
    assert [each["seq"] for each in ticket["messages"]] == list(range(1, 1_001))


async def test_same_request_again_writes_the_file_anew(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database, name="Jane")
    request = await wanted(database, customer_id)
    await blobs.put(exporting.key_of(request.id), _half())
    assert await carry_out(database, blobs, request) == "done"
    assert json.loads(await content(blobs, request))["customer"]["name"] == "Jane"


async def _half() -> AsyncIterator[bytes]:
    yield b'{"format":'


async def test_file_is_gone_after_a_week(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database)
    request = await wanted(database, customer_id)
    await carry_out(database, blobs, request)
    await exporting.forget_old(database, blobs)
    assert await blobs.exists(exporting.key_of(request.id))
    async with database.begin() as session:
        old = await session.get_one(CustomerRequest, request.id)
        assert old.finished_at is not None
        old.finished_at -= customer_requests.EXPORT_KEPT_FOR + timedelta(minutes=1)
    await exporting.forget_old(database, blobs)
    assert not await blobs.exists(exporting.key_of(request.id))
    async with database.begin() as session:
        assert (await session.get_one(CustomerRequest, request.id)).result is None


async def test_export_of_somebody_who_is_erased_meanwhile_leaves_no_file(
    database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer_id = await somebody(database, name="Jane")
    request = await wanted(database, customer_id)
    erasing_request = await erase(database, customer_id)
    whole = exporting.chunks

    async def interrupted(database: Database, customer_id: UUID) -> AsyncIterator[bytes]:
        async for chunk in whole(database, customer_id):
            yield chunk
        await erasing.forget_names(database, erasing_request)

    monkeypatch.setattr(exporting, "chunks", interrupted)
    assert await carry_out(database, blobs, request) == "failed"
    assert not await blobs.exists(exporting.key_of(request.id))


async def test_export_whose_process_died_while_somebody_was_erased_leaves_no_file(
    database: Database, blobs: Blobs
) -> None:
    customer_id = await somebody(database, name="Jane")
    request = await wanted(database, customer_id)
    await erasing.forget_names(database, await erase(database, customer_id))
    # The last that it did before it died.
    await blobs.put(exporting.key_of(request.id), exporting.chunks(database, customer_id))
    assert await carry_out(database, blobs, request) == "failed"
    assert not await blobs.exists(exporting.key_of(request.id))


async def test_one_that_waits_is_enough(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database, name="Jane")
    request = await wanted(database, customer_id)
    assert (await wanted(database, customer_id)).id == request.id
    assert await carry_out(database, blobs, request) == "done"
    assert (await wanted(database, customer_id)).id != request.id


async def test_conversations_beyond_a_page(database: Database, blobs: Blobs) -> None:
    customer_id = await somebody(database)
    talk = await talk_of(database, customer_id)
    async with database.begin() as session:
        await session.execute(_MANY_TALKS, {"like": talk})
        row = await conversations.find(session, talk)
    assert row.conversation.customer_id == customer_id
    assert len((await exported(database, blobs, customer_id))["conversations"]) == 251


_MANY = text(
    """
    WITH made AS (
        INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)
        SELECT gen_random_uuid(), 'ticket', now(), now(), now(), 1 FROM generate_series(1, 2000)
        RETURNING id
    ), opened AS (
        INSERT INTO tickets (id, customer_id, channel, is_bot_handoff, subject, tags, status,
            priority, deadlines, created_at)
        SELECT made.id, customer_id, channel, is_bot_handoff, subject, tags, status, priority,
            deadlines, now()
        FROM made, tickets WHERE tickets.id = :like
    )
    INSERT INTO messages (thread_id, seq, id, author, visibility, content, content_type, metadata,
        attachments, created_at)
    SELECT made.id, 1, gen_random_uuid(), author, visibility, content, content_type, metadata,
        attachments, now()
    FROM made, messages WHERE messages.thread_id = :like
    """
)
_LONG = text(
    """
    INSERT INTO messages (thread_id, seq, id, author, visibility, content, content_type, metadata,
        attachments, created_at)
    SELECT thread_id, number, gen_random_uuid(), author, visibility, 'message ' || number,
        content_type, metadata, attachments, now()
    FROM messages, generate_series(2, 1000) AS number WHERE thread_id = :id
    """
)
_MANY_TALKS = text(
    """
    WITH made AS (
        INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)
        SELECT gen_random_uuid(), 'conversation', now(), now(), now(), 1
        FROM generate_series(1, 250) RETURNING id
    )
    INSERT INTO conversations (id, customer_id, tags, metadata, status, queued_at, state,
        created_at)
    SELECT made.id, customer_id, tags, metadata, 'CLOSED', queued_at, state, created_at
    FROM made, conversations WHERE conversations.id = :like
    """
)
