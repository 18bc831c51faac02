"""Sockets, through a real server and a real client."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import aiohttp
import pytest
import socketio

from api import socket_server
from api.config import ApiConfig
from api.socket_frames import MAX_FRAME
from domain.ids import ticket_id_text
from domain.models import Visibility
from domain.principals import Scope
from store import keys
from store.database import Database
from tests.api.people import token
from tests.api.socket_serving import PATIENCE, ApiProcess, Listener, api_process
from tests.store.writing import number_of, open_ticket, write, write_event

OWNER = "owner@example.com"


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
async def ticket_id(database: Database) -> UUID:
    """A ticket of OWNER with one message."""
    return await open_ticket(database, OWNER)


def agent(process: ApiProcess, *transports: str, **query: object) -> Listener:
    return Listener(process.url, token("agent"), *transports, **query)


def owner(process: ApiProcess, **query: object) -> Listener:
    return Listener(process.url, token("customer", "jo", email=OWNER), **query)


async def refusal(listener: Listener) -> object:
    with pytest.raises(socketio.exceptions.ConnectionError):
        await listener.__aenter__()
    return listener.payloads("connect_error")[0]


class TestConnect:
    @pytest.mark.parametrize("bad", ["", "nonsense", "sk_nonsense", "a.b.c"])
    async def test_bad_token_is_refused(self, process: ApiProcess, bad: str) -> None:
        assert await refusal(Listener(process.url, bad)) == {
            "message": "Invalid authentication token",
            "data": {"code": "unauthorized", "message": "Invalid authentication token"},
        }

    @pytest.mark.parametrize("auth", [None, "text", 7, ["token"], {"token": {"a": 1}}])
    async def test_odd_auth_is_refused(self, process: ApiProcess, auth: object) -> None:
        client = socketio.AsyncClient(reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(process.url, auth=auth)

    async def test_token_in_the_address_is_no_token(self, process: ApiProcess) -> None:
        client = socketio.AsyncClient(reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(f"{process.url}?token={token('agent')}")

    async def test_token_in_the_header(self, process: ApiProcess) -> None:
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(process.url, {"Authorization": f"Bearer {token('agent')}"})
        await client.disconnect()

    async def test_socket_ends_with_its_token(self, process: ApiProcess) -> None:
        short = token("agent", exp=int(time.time()) + 2)
        async with Listener(process.url, short) as listener:
            error = await listener.next("system:error")
            assert error == {"code": "unauthorized", "message": "The token has expired."}
            await asyncio.wait_for(listener.disconnected.wait(), PATIENCE)

    async def test_socket_ends_with_its_key(self, process: ApiProcess, database: Database) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "test", [Scope.TICKETS])
        async with Listener(process.url, key) as listener:
            async with database.begin() as session:
                (info,) = await keys.list_all(session)
                await keys.revoke(session, info.id)
            await asyncio.wait_for(listener.disconnected.wait(), PATIENCE)

    async def test_foreign_origin_is_refused(self, process: ApiProcess) -> None:
        address = f"{process.url}/socket.io/?EIO=4&transport=polling"
        async with aiohttp.ClientSession() as session:
            for origin, status in [
                ("https://evil.example", 400),
                ("https://desk.example", 200),
                (process.url, 200),
            ]:
                async with session.get(address, headers={"Origin": origin}) as answer:
                    assert answer.status == status

    async def test_http_goes_to_the_application(self, process: ApiProcess) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{process.url}/api/health") as answer,
        ):
            assert (await answer.json())["status"] == "healthy"


class TestSubscribe:
    async def test_messages_and_events_of_a_ticket(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        async with agent(process) as listener:
            answer = await listener.subscribe(ticket_id)
            assert answer == {"ticketId": ticket_id_text(ticket_id), "seq": 1}
            await write(database, ticket_id, "hello")
            await write_event(database, ticket_id, type="status_changed", after="open")
            await listener.until(lambda: len(listener.events) == 2)
            (_, message), (_, event) = listener.events
            assert message["ticketId"] == event["ticketId"] == ticket_id_text(ticket_id)
            assert (message["message"]["seq"], message["message"]["content"]) == (2, "hello")
            assert (event["seq"], event["type"], event["after"]) == (3, "status_changed", "open")
            assert event["at"].endswith("Z")

    async def test_by_the_handshake(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        await write(database, ticket_id)
        query = {"ticketId": ticket_id_text(ticket_id), "afterSeq": 1, "role": "customer"}
        async with agent(process, **query) as listener:
            await listener.until(lambda: listener.seqs == [2])
            await write(database, ticket_id)
            await listener.until(lambda: listener.seqs == [2, 3])

    async def test_three_spellings(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        number = await number_of(database, ticket_id)
        async with agent(process) as listener:
            for spelled in (str(ticket_id), ticket_id_text(ticket_id), str(number), number):
                answer = await listener.call("subscribe", {"ticketId": spelled, "afterSeq": 0})
                assert answer == {"ticketId": ticket_id_text(ticket_id), "seq": 1}
            assert listener.seqs == [1]

    async def test_long_log_comes_whole(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        for _ in range(349):
            await write(database, ticket_id)
        async with agent(process) as listener:
            assert (await listener.subscribe(ticket_id, 0))["seq"] == 350
            assert listener.seqs == list(range(1, 351))

    async def test_unsubscribe(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        other = await open_ticket(database)
        async with agent(process) as listener:
            await listener.subscribe(ticket_id)
            await listener.subscribe(other)
            named = {"ticketId": ticket_id_text(ticket_id)}
            assert await listener.call("unsubscribe", named) == named
            await write(database, ticket_id)
            await write(database, other)
            message = await listener.next("ticket:message")
            assert message["ticketId"] == ticket_id_text(other)
            again = await listener.call("unsubscribe", named)
            assert again["code"] == "invalid"

    async def test_idle_list_takes_any_number_of_agents(self, process: ApiProcess) -> None:
        async with agent(process, scope="tickets") as first, agent(process) as second:
            joined = await first.call("subscribe", {"scope": "tickets"})
            again = {"scope": "tickets", "afterSeq": joined["seq"]}
            assert (await second.call("subscribe", again))["scope"] == "tickets"
            assert (await second.call("subscribe", {"scope": "tickets"}))["scope"] == "tickets"

    async def test_list_of_tickets(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        async with agent(process, scope="tickets") as listener:
            await listener.call("subscribe", {"scope": "tickets"})
            await write(database, ticket_id)
            updated = await listener.next("ticket:updated")
            assert updated["ticketId"] == ticket_id_text(ticket_id)
            assert updated["lastSeq"] == 2
            assert updated["seq"] > 0
        await write(database, ticket_id)
        other = await open_ticket(database)
        async with agent(process, scope="tickets", afterSeq=updated["seq"]) as listener:
            await listener.until(lambda: len(listener.events) == 2)
            assert [event["ticketId"] for event in listener.payloads("ticket:updated")] == [
                ticket_id_text(ticket_id),
                ticket_id_text(other),
            ]

    @pytest.mark.parametrize(
        "request_",
        [
            None,
            "text",
            {},
            {"ticketId": None},
            {"scope": "everything"},
            {"scope": "tickets", "ticketId": "7"},
            {"ticketId": "7", "afterSeq": -1},
            {"ticketId": "7", "afterSeq": "soon"},
            {"ticketId": "7", "afterSeq": 10**40},
            {"ticketId": ["7"]},
        ],
    )
    async def test_senseless_request(self, process: ApiProcess, request_: object) -> None:
        async with agent(process) as listener:
            answer = await listener.call("subscribe", request_)
            assert answer["code"] == "invalid"
            assert await listener.next("system:error") == answer
            assert (await listener.call("subscribe", {"scope": "tickets"}))["scope"] == "tickets"

    @pytest.mark.parametrize("query", [{"scope": "everything"}, {"ticketId": "no-such"}])
    async def test_senseless_handshake_leaves_the_socket(
        self, process: ApiProcess, query: dict[str, str]
    ) -> None:
        async with agent(process, **query) as listener:
            assert (await listener.next("system:error"))["code"] in ("invalid", "not_found")
            assert (await listener.call("subscribe", {"scope": "tickets"}))["scope"] == "tickets"

    async def test_unknown_event(self, process: ApiProcess) -> None:
        async with agent(process) as listener:
            assert (await listener.call("tickets:delete", {}))["code"] == "invalid"
            await listener.client.emit("tickets:delete", {})
            assert (await listener.next("system:error"))["code"] == "invalid"


class TestWhoSeesWhat:
    async def test_owner_gets_public_messages_alone(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        await write(database, ticket_id, "a secret", Visibility.PRIVATE)
        async with owner(process) as listener:
            await listener.subscribe(ticket_id, 0)
            await write_event(database, ticket_id, type="snoozed")
            await write(database, ticket_id, "a secret", Visibility.PRIVATE)
            await write(database, ticket_id)
            await listener.until(lambda: 5 in listener.seqs)
            assert listener.seqs == [1, 5]

    async def test_other_peoples_tickets_do_not_exist(
        self, process: ApiProcess, database: Database
    ) -> None:
        foreign = await open_ticket(database, "someone@example.com")
        number = await number_of(database, foreign)
        async with owner(process) as listener:
            unknown = await listener.call("subscribe", {"ticketId": str(uuid4())})
            assert unknown == {"code": "not_found", "message": "Ticket not found"}
            for spelled in (str(foreign), ticket_id_text(foreign), number):
                assert await listener.call("subscribe", {"ticketId": spelled}) == unknown
            nothing = await listener.call("unsubscribe", {"ticketId": str(uuid4())})
            for event in ("unsubscribe", "ticket:typing"):
                request = {"ticketId": number, "typing": True}
                assert await listener.call(event, request) == nothing

    async def test_list_is_not_for_customers(self, process: ApiProcess) -> None:
        async with owner(process) as listener:
            answer = await listener.call("subscribe", {"scope": "tickets"})
            assert answer == {"code": "forbidden", "message": "Insufficient permissions"}

    async def test_keys_need_the_scope(
        self, process: ApiProcess, database: Database, ticket_id: UUID
    ) -> None:
        async with database.begin() as session:
            right = await keys.create(session, "right", [Scope.TICKETS])
            wrong = await keys.create(session, "wrong", [Scope.XMPP, Scope.HANDOFF])
        async with Listener(process.url, right) as listener:
            assert (await listener.subscribe(ticket_id))["seq"] == 1
        async with Listener(process.url, wrong) as listener:
            assert (await listener.subscribe(ticket_id))["code"] == "forbidden"
            answer = await listener.call("subscribe", {"scope": "tickets"})
            assert answer["code"] == "forbidden"


class TestTyping:
    async def test_is_told_to_the_others_of_every_process(
        self, process: ApiProcess, config: ApiConfig, database_url: str, ticket_id: UUID
    ) -> None:
        named = {"ticketId": ticket_id_text(ticket_id)}
        async with (
            api_process(config, database_url) as second,
            owner(process) as customer,
            agent(process) as colleague,
            agent(second) as other,
        ):
            for listener in (customer, colleague, other):
                await listener.subscribe(ticket_id)
            said = {**named, "typing": True}
            assert await customer.call("ticket:typing", said) == said
            told = {**said, "senderType": "customer"}
            assert await colleague.next("ticket:typing") == told
            assert await other.next("ticket:typing") == told
            await other.client.emit("ticket:typing", {**named, "typing": False})
            assert await customer.next("ticket:typing") == {
                **named,
                "typing": False,
                "senderType": "agent",
            }
            assert len(customer.events) == 1

    async def test_only_where_one_listens(self, process: ApiProcess, ticket_id: UUID) -> None:
        async with agent(process) as listener:
            request = {"ticketId": str(ticket_id), "typing": True}
            assert (await listener.call("ticket:typing", request))["code"] == "invalid"


class TestLimits:
    async def test_calls_count_as_over_http(self, config: ApiConfig, database_url: str) -> None:
        few = config.model_copy(update={"rate_limit_caller": 5})
        async with api_process(few, database_url) as process, agent(process) as listener:
            codes = [
                (await listener.call("subscribe", {"scope": "tickets"})).get("code")
                for _ in range(6)
            ]
            assert codes == [None] * 4 + ["too_many_requests"] * 2

    async def test_silent_connection_is_closed(
        self, process: ApiProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket_server, "_TIME_TO_CONNECT", 0.2)
        async with raw(process) as socket:
            assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT  # OPEN
            assert (await socket.receive(PATIENCE)).type is aiohttp.WSMsgType.CLOSE

    async def test_refused_connection_is_closed(
        self, process: ApiProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket_server, "_TIME_TO_CONNECT", 0.2)
        async with raw(process) as socket:
            await socket.receive()
            await socket.send_str('40{"token":"nonsense"}')
            assert (await socket.receive_str()).startswith("44")  # CONNECT_ERROR
            assert (await socket.receive(PATIENCE)).type is aiohttp.WSMsgType.CLOSE

    @pytest.mark.parametrize(
        "frame",
        [
            b"binary",
            "451-" + '["subscribe",{"_placeholder":true,"num":0}]',
            '42["connect",{}]',
            '42["disconnect"]',
            "42" + "[" * 1_000,
            '42["subscribe",NaN]',
            "42{}",
            "42[7]",
            "4",
            "4x",
            "4²",
            "4" + "{" * 1_000,
        ],
    )
    async def test_bad_frames_end_the_connection(
        self, process: ApiProcess, frame: str | bytes
    ) -> None:
        async with raw(process) as socket:
            await socket.receive()
            await socket.send_str(f'40{{"token":"{token("agent")}"}}')
            assert (await socket.receive_str()).startswith("40")
            for _ in range(3):
                await (
                    socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame)
                )
            assert (await socket.receive(PATIENCE)).type is aiohttp.WSMsgType.CLOSE

    async def test_large_frame_ends_the_connection(self, process: ApiProcess) -> None:
        async with raw(process) as socket:
            await socket.receive()
            await socket.send_str("4" * (MAX_FRAME + 1))
            assert (await socket.receive(PATIENCE)).type is aiohttp.WSMsgType.CLOSE

    async def test_client_that_takes_nothing_is_dropped(
        self,
        process: ApiProcess,
        database: Database,
        ticket_id: UUID,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """And holds up nobody."""
        monkeypatch.setattr(socket_server, "_MAX_BACKLOG", 100_000)
        async with raw(process) as stuck, agent(process) as listener:
            await stuck.receive()
            await stuck.send_str(f'40{{"token":"{token("agent", "stuck")}"}}')
            await stuck.receive()
            await stuck.send_str(f'42["subscribe",{{"ticketId":"{ticket_id}"}}]')
            await listener.subscribe(ticket_id)
            transport = stuck._response.connection.transport  # type: ignore[union-attr]
            transport.pause_reading()  # type: ignore[union-attr]
            async with asyncio.timeout(PATIENCE):
                while len(process.sockets._clients) > 1:
                    await write(database, ticket_id, "😀" * 16_000)
            seq = await write(database, ticket_id)
            await listener.until(lambda: seq in listener.seqs)
            assert listener.seqs == list(range(2, seq + 1))
            transport.abort()  # type: ignore[union-attr]

    async def test_client_that_does_not_wait_for_answers_is_dropped(
        self, process: ApiProcess, ticket_id: UUID
    ) -> None:
        async with agent(process) as listener:
            for _ in range(1_000):
                await listener.client.emit("subscribe", {"ticketId": str(ticket_id)})
            await asyncio.wait_for(listener.disconnected.wait(), PATIENCE)


@asynccontextmanager
async def raw(process: ApiProcess) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket that speaks neither Engine.IO nor Socket.IO by itself."""
    address = f"{process.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        yield socket
