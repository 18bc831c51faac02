"""Files over sockets: sent in live chat, and told of when they were fetched."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from api.config import ApiConfig
from domain.files import Origin
from domain.ids import parse_attachment_id
from domain.models import AuthorKind, Channel, Visibility
from store import attachments, threads
from store.database import Database
from store.threads import Draft
from tests.api.chatting import ASHIK, Chat, said
from tests.api.conftest import JudgingEngine
from tests.api.people import token
from tests.api.socket_serving import ApiProcess, Listener, api_process
from tests.store.writing import open_ticket


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


async def awaited(database: Database, ticket_id: UUID, visibility: Visibility) -> tuple[UUID, int]:
    """A file that is still to be fetched, and the message in which it stands."""
    origin = Origin(channel=Channel.WHATSAPP, reference="1")
    async with database.begin() as session:
        file = await attachments.await_file(session, "cat.png", "image/png", origin)
        thread = await threads.lock(session, ticket_id)
        draft = Draft(AuthorKind.AGENT, "look", visibility=visibility, attachments=[file])
        appended = await threads.append(session, thread, draft)
    return parse_attachment_id(file["id"]), appended.seq


async def test_fetched_file_is_told_to_those_who_may_read_its_message(
    process: ApiProcess, database: Database
) -> None:
    ticket_id = await open_ticket(database, "eve@example.com")
    note, _ = await awaited(database, ticket_id, Visibility.PRIVATE)
    file, seq = await awaited(database, ticket_id, Visibility.PUBLIC)
    customer = token("customer", "eve", email="eve@example.com")
    async with (
        Listener(process.url, token("agent")) as ada,
        Listener(process.url, customer) as eve,
    ):
        await ada.subscribe(ticket_id)
        await eve.subscribe(ticket_id)
        for each in (note, file):
            async with database.begin() as session:
                await attachments.fetched(
                    session, each, content_type="image/png", size=3, sha256=b"x"
                )
        told = await eve.next("ticket:attachments")
        await ada.until(lambda: len(ada.payloads("ticket:attachments")) == 2)
        assert (told["ticketId"], told["seq"]) == (f"tkt_{ticket_id.hex}", seq)
        assert told["attachments"] == [
            {
                "id": f"att_{file.hex}",
                "name": "cat.png",
                "content_type": "image/png",
                "size": 3,
                "url": f"/api/attachments/att_{file.hex}",
            }
        ]
        assert eve.payloads("ticket:attachments") == [told]


async def test_chat_send_takes_files(process: ApiProcess, chat: Chat) -> None:
    visitor = await chat.accepted()
    form = {"file": ("cat.txt", b"meow")}
    upload = await chat.client.post("/api/attachments", files=form, headers=visitor.headers)
    file = said(upload, 201)
    bearer = visitor.headers["Authorization"].removeprefix("Bearer ")
    ashik = ASHIK["Authorization"].removeprefix("Bearer ")
    named = {"conversationId": visitor.conversation_id}
    async with (
        Listener(process.url, bearer, **named) as customer,
        Listener(process.url, ashik, **named) as agent,
    ):
        await agent.follow(UUID(visitor.conversation_id))
        sent = {**named, "content": "look", "attachments": [{"id": file["id"]}]}
        message = await customer.call("chat:send", sent)
        assert message["attachments"][0]["url"] == file["url"]
        heard = await agent.next("chat:message")
        assert heard["message"]["attachments"] == message["attachments"]
        foreign = {**sent, "attachments": [{"id": f"att_{'0' * 32}"}]}
        assert (await customer.call("chat:send", foreign))["code"] == "unknown_attachment"
