"""What is known of files: in which messages they stand, who may read them, when they are gone."""

import asyncio
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text

from domain.errors import AttachmentNotFound
from domain.files import AttachmentState, Look, Origin, clean_name
from domain.ids import attachment_id_text, new_id, parse_attachment_id
from domain.models import AuthorKind, Channel, Visibility
from store import attachments, reading, threads
from store.attachments import Reader
from store.blobs import new_key
from store.database import Database
from store.errand_tables import AttachmentUse, StoredAttachment, StoredErrand
from store.threads import Draft
from tests.store.writing import open_ticket

ADA = "user:ada"
STAFF = Reader("user:bea", everywhere=True)


async def keep(database: Database, uploaded_by: str = ADA, key: str | None = None) -> UUID:
    async with database.begin() as session:
        kept = await attachments.keep(
            session,
            key=key or new_key(),
            name="cat.png",
            content_type="image/png",
            size=3,
            sha256=b"x",
            uploaded_by=uploaded_by,
        )
        return kept.id


async def send(
    database: Database, thread_id: UUID, *ids: UUID, visibility: Visibility = Visibility.PUBLIC
) -> int:
    async with database.begin() as session:
        thread = await threads.lock(session, thread_id)
        files = [{"id": attachment_id_text(each)} for each in ids]
        draft = Draft(AuthorKind.AGENT, "look", attachments=files, visibility=visibility)
        return (await threads.append(session, thread, draft)).seq


async def await_file(database: Database, thread_id: UUID) -> UUID:
    origin = Origin(channel=Channel.WHATSAPP, reference="1")
    async with database.begin() as session:
        file = await attachments.await_file(session, "", "image/jpeg", origin)
    file_id = parse_attachment_id(file["id"])
    await send(database, thread_id, file_id)
    return file_id


async def may_read(database: Database, attachment_id: UUID, reader: Reader) -> bool:
    async with database.begin() as session:
        try:
            await attachments.find(session, attachment_id, reader)
        except AttachmentNotFound:
            return False
    return True


async def states(database: Database) -> dict[UUID, str]:
    async with database.begin() as session:
        rows = await session.execute(select(StoredAttachment.id, StoredAttachment.state))
        return {row.id: row.state for row in rows}


async def grow_old(database: Database) -> None:
    async with database.begin() as session:
        a_day = {"day": timedelta(hours=25)}
        await session.execute(text("UPDATE attachments SET created_at = now() - :day"), a_day)


async def forget_unused(database: Database) -> set[UUID]:
    async with database.begin() as session:
        unwanted = {each.id for each in await attachments.forget_unused(session)}
    async with database.begin() as session:
        await attachments.forget(session, unwanted)
    return unwanted


async def customer_of(database: Database, ticket_id: UUID) -> UUID:
    async with database.begin() as session:
        query = text("SELECT customer_id FROM tickets WHERE id = :id")
        found: UUID = (await session.execute(query, {"id": ticket_id})).scalar_one()
        return found


async def test_expected_file_is_kept_under_its_key(database: Database) -> None:
    async with database.begin() as session:
        key = await attachments.expect(session, ADA)
    assert list((await states(database)).values()) == [AttachmentState.ARRIVING]
    kept = await keep(database, key=key)
    assert await states(database) == {kept: AttachmentState.STORED}


async def test_file_that_is_arriving_can_be_read_by_nobody(database: Database) -> None:
    async with database.begin() as session:
        await attachments.expect(session, ADA)
    [file_id] = await states(database)
    assert not await may_read(database, file_id, Reader(ADA))


async def test_message_in_the_log_notes_its_files(database: Database) -> None:
    ticket_id, file_id = await open_ticket(database), await keep(database)
    seq = await send(database, ticket_id, file_id, new_id())
    async with database.begin() as session:
        [use] = (await session.scalars(select(AttachmentUse))).all()
    assert (use.attachment_id, use.thread_id, use.seq) == (file_id, ticket_id, seq)
    assert use.visibility == Visibility.PUBLIC


async def test_readers_of_a_message_read_its_files(database: Database) -> None:
    ticket_id, file_id = await open_ticket(database), await keep(database)
    customer = Reader("user:jo", customer_id=await customer_of(database, ticket_id))
    other = Reader(
        "user:eve",
        customer_id=await customer_of(database, await open_ticket(database, "eve@example.com")),
    )
    everybody = [Reader(ADA), STAFF, customer, other, Reader("user:nobody")]

    async def readers() -> list[bool]:
        return [await may_read(database, file_id, each) for each in everybody]

    assert await readers() == [True, False, False, False, False]
    await send(database, ticket_id, file_id, visibility=Visibility.PRIVATE)
    assert await readers() == [True, True, False, False, False]
    await send(database, ticket_id, file_id)
    assert await readers() == [True, True, True, False, False]


async def test_fetched_file_is_known_in_every_message_in_which_it_stands(
    database: Database,
) -> None:
    ticket_id, other_id = await open_ticket(database), await open_ticket(database)
    file_id = await await_file(database, ticket_id)
    again = await send(database, other_id, file_id)
    async with database.begin() as session:
        await attachments.fetched(session, file_id, content_type="image/png", size=3, sha256=b"x")
    async with database.begin() as session:
        entry = await reading.entry(session, other_id, again)
    assert entry is not None
    assert entry.attachments == [
        {"id": attachment_id_text(file_id), "content_type": "image/png", "size": 3}
    ]


async def test_what_was_fetched_is_not_refused_afterwards(database: Database) -> None:
    file_id = await await_file(database, await open_ticket(database))
    async with database.begin() as session:
        await attachments.fetched(session, file_id, content_type="image/png", size=3, sha256=b"x")
    async with database.begin() as session:
        await attachments.refuse(session, file_id, "Too late.")
    assert await states(database) == {file_id: AttachmentState.STORED}


async def test_awaited_file_has_an_errand(database: Database) -> None:
    file_id = await await_file(database, await open_ticket(database))
    async with database.begin() as session:
        assert (await session.scalars(select(StoredErrand.id))).all() == [file_id]


async def test_only_what_nobody_sent_for_a_day_is_forgotten(database: Database) -> None:
    ticket_id = await open_ticket(database)
    sent, unsent = await keep(database), await keep(database)
    async with database.begin() as session:
        await attachments.expect(session, ADA)
    awaited = await await_file(database, ticket_id)
    await send(database, ticket_id, sent)
    assert await forget_unused(database) == set()
    await grow_old(database)
    young = await keep(database)
    forgotten = await forget_unused(database)
    assert unsent in forgotten
    assert len(forgotten) == 2
    assert set(await states(database)) == {sent, awaited, young}


async def test_what_was_not_deleted_in_time_is_told_again(database: Database) -> None:
    file_id = await keep(database)
    await grow_old(database)
    for _ in range(2):
        async with database.begin() as session:
            assert [each.id for each in await attachments.forget_unused(session)] == [file_id]


async def test_forgotten_file_cannot_be_sent_any_more(database: Database) -> None:
    ticket_id, file_id = await open_ticket(database), await keep(database)
    await grow_old(database)
    async with database.begin() as session:
        await attachments.forget_unused(session)
    await send(database, ticket_id, file_id)
    assert not await may_read(database, file_id, STAFF)
    assert await forget_unused(database) == {file_id}


async def test_sending_and_forgetting_at_once_is_one_or_the_other(database: Database) -> None:
    ticket_id = await open_ticket(database)
    files = [await keep(database) for _ in range(20)]
    await grow_old(database)
    _, forgotten = await asyncio.gather(send(database, ticket_id, *files), forget_unused(database))
    readable = {each for each in files if await may_read(database, each, STAFF)}
    assert readable == set(files) - forgotten


async def test_erased_threads_take_their_files_along_unless_they_stand_elsewhere(
    database: Database,
) -> None:
    ticket_id, other_id = await open_ticket(database), await open_ticket(database)
    alone, shared = await keep(database), await keep(database)
    await send(database, ticket_id, alone, shared)
    await send(database, other_id, shared)
    async with database.begin() as session:
        unwanted = await attachments.delete_of_threads(session, [ticket_id])
    assert [each.id for each in unwanted] == [alone]
    assert not await may_read(database, alone, Reader(ADA))
    async with database.begin() as session:
        row = await session.get(StoredAttachment, alone)
    assert row is not None
    assert (row.name, row.origin, row.uploaded_by) == ("", None, None)
    assert await forget_unused(database) == {alone}
    async with database.begin() as session:
        unwanted = await attachments.delete_of_threads(session, [other_id])
    assert [each.id for each in unwanted] == [shared]


async def test_unsent_uploads_of_somebody_are_given_up(database: Database) -> None:
    ticket_id = await open_ticket(database)
    unsent, sent = await keep(database), await keep(database)
    theirs = await keep(database, uploaded_by="user:eve")
    await send(database, ticket_id, sent)
    async with database.begin() as session:
        await attachments.expect(session, ADA)
    async with database.begin() as session:
        unwanted = await attachments.delete_of_uploader(session, ADA)
    assert [each.id for each in unwanted] == [unsent]
    # What is arriving will be kept, or dropped, by whoever takes it in.
    assert AttachmentState.ARRIVING in (await states(database)).values()
    assert {each for each, state in (await states(database)).items() if state == "stored"} == {
        sent, theirs,
    }  # fmt: skip


def test_names_that_people_could_be_deceived_by_are_cleaned() -> None:
    assert clean_name("..\\..\\evil/\u202egpj.exe ") == "gpj.exe"
    assert clean_name("\ud800\0/") == "file"
    assert len(clean_name("a" * 500 + "." + "b" * 500)) == 200


def test_look_is_the_same_however_the_bytes_come() -> None:
    content = ("ä€😀" * 3000).encode()
    whole, parts = Look(), Look()
    whole.see(content)
    for start in range(0, len(content), 7):
        parts.see(content[start : start + 7])
    assert parts.content_type("a") == whole.content_type("a") == "text/plain"
    assert (parts.sha256, parts.size) == (whole.sha256, len(content))
