"""Team chat over sockets: two users on three devices, at two api processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import aiohttp
import httpx
import pytest
from psycopg import AsyncConnection

from api.config import ApiConfig
from domain.events import Event
from domain.models import EventType, Visibility
from domain.principals import Scope
from store import agents, attendance, keys, tickets
from store.database import Database
from store.postgres_feed import APPLICATION_NAME
from tests.api.chatting import said
from tests.api.people import token, visitor
from tests.api.socket_serving import PATIENCE, ApiProcess, Listener, api_process
from tests.store.chatting import new_customer
from tests.store.writing import open_ticket, write

ASHIK = token("agent", "42", name="Ashik")
BEA = token("admin", "bea", name="Bea Miller")
EVENTS = {"new_message", "message_read", "typing", "presence", "notification"}


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
async def other_process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def team(database: Database) -> None:
    async with database.begin() as session:
        await agents.add(session, "42", "Ashik")
        await agents.add(session, "bea", "Bea Miller")


async def following(listener: Listener) -> Listener:
    """Once it follows its inbox: what comes first in the line is done when this is answered."""
    await listener.call("subscribe", {"scope": "team"})
    return listener


async def send(listener: Listener, text: str, to: object, **more: object) -> dict[str, Any]:
    return await listener.call("send_message", {"receiverId": to, "message": text, **more})


def heard(listener: Listener) -> list[str]:
    return [payload["text"] for payload in listener.payloads("new_message")]


def ids(listener: Listener) -> list[int]:
    return [payload["id"] for payload in listener.payloads("new_message")]


async def post(process: ApiProcess, text: str, to: object, by: str = ASHIK) -> int:
    body = {"receiverId": to, "message": text}
    headers = {"Authorization": f"Bearer {by}"}
    async with httpx.AsyncClient(base_url=process.url) as client:
        sent = said(await client.post("/api/chat/messages", json=body, headers=headers), 201)
    return int(sent["id"])


class TestMessages:
    async def test_every_device_but_the_one_that_sent_it(
        self, process: ApiProcess, other_process: ApiProcess
    ) -> None:
        async with (
            Listener(process.url, ASHIK) as phone,
            Listener(other_process.url, ASHIK) as laptop,
            Listener(other_process.url, BEA) as bea,
        ):
            for listener in (phone, laptop, bea):
                await following(listener)
            sent = await send(phone, "hello", "bea")
            assert sent.keys() == {"success", "id", "timestamp"}
            message = await bea.next("new_message")
            assert message == {
                "id": sent["id"],
                "senderId": 42,
                "senderName": "Ashik",
                "receiverId": "bea",
                "text": "hello",
                "type": "text",
                "timestamp": sent["timestamp"],
                "readAt": None,
            }
            assert await laptop.next("new_message") == message
            await send(bea, "yes?", 42)
            await phone.until(lambda: heard(phone) == ["yes?"])
            await laptop.until(lambda: heard(laptop) == ["hello", "yes?"])
            assert heard(bea) == ["hello"]

    async def test_posted_over_http(self, process: ApiProcess, other_process: ApiProcess) -> None:
        async with Listener(process.url, ASHIK) as ashik, Listener(process.url, BEA) as bea:
            await following(ashik)
            await following(bea)
            sent = await post(other_process, "hello", "bea")
            assert (await bea.next("new_message"))["id"] == sent
            assert (await ashik.next("new_message"))["id"] == sent

    async def test_each_once_and_in_order(
        self, process: ApiProcess, other_process: ApiProcess
    ) -> None:
        """Live, and for a device that comes back again and again while messages go on."""
        count = 120
        async with (
            Listener(process.url, ASHIK) as phone,
            Listener(other_process.url, ASHIK) as laptop,
            Listener(process.url, BEA) as bea,
        ):
            for listener in (phone, laptop, bea):
                await following(listener)

            async def talk(who: Listener, to: object) -> list[int]:
                return [(await send(who, str(number), to))["id"] for number in range(count)]

            tablet = asyncio.create_task(self._come_and_go([process, other_process], 2 * count))
            of_phone, of_bea = await asyncio.gather(talk(phone, "bea"), talk(bea, 42))
            everything = sorted([*of_phone, *of_bea])
            await laptop.until(lambda: len(ids(laptop)) >= 2 * count)
            assert ids(laptop) == everything
            await bea.until(lambda: len(ids(bea)) >= count)
            assert ids(bea) == of_phone
            await phone.until(lambda: len(ids(phone)) >= count)
            assert ids(phone) == of_bea
            assert await tablet == everything

    async def _come_and_go(self, processes: list[ApiProcess], count: int) -> list[int]:
        """All that a device of ASHIK's has got in its lives, each going on where one ended."""
        seen: list[int] = []
        life = 0
        while len(seen) < count:
            after = seen[-1] if seen else 0
            place = processes[life % 2].url
            async with Listener(place, ASHIK, afterMessageId=after) as tablet:
                enough = min(count, len(seen) + 25)
                await tablet.until(lambda: len(seen) + len(ids(tablet)) >= enough)  # noqa: B023
            seen += ids(tablet)
            life += 1
        assert life > 3
        return seen

    async def test_resume_by_subscribing(self, process: ApiProcess) -> None:
        first = await post(process, "1", "bea")
        last = await post(process, "2", "bea")
        async with Listener(process.url, BEA) as bea:
            answer = await bea.call("subscribe", {"scope": "team", "afterSeq": first})
            assert answer == {"scope": "team", "seq": last}
            assert heard(bea) == ["2"]
            await post(process, "3", "bea")
            await bea.until(lambda: heard(bea) == ["2", "3"])

    async def test_senseless_resume_is_told_and_the_socket_is_live(
        self, process: ApiProcess
    ) -> None:
        async with Listener(process.url, BEA, afterMessageId="x") as bea:
            assert (await bea.next("system:error"))["code"] == "invalid"
            await following(bea)
            await post(process, "hello", "bea")
            await bea.until(lambda: heard(bea) == ["hello"])

    async def test_unsubscribing(self, process: ApiProcess) -> None:
        async with Listener(process.url, BEA) as bea:
            assert await bea.call("unsubscribe", {"scope": "team"}) == {"scope": "team"}
            assert (await bea.call("unsubscribe", {"scope": "team"}))["code"] == "invalid"

    async def test_same_client_id_is_one_message(self, process: ApiProcess) -> None:
        async with Listener(process.url, ASHIK) as ashik, Listener(process.url, BEA) as bea:
            await following(bea)
            sent = [await send(ashik, "hello", "bea", clientId="1") for _ in range(3)]
            assert sent[0] == sent[1] == sent[2]
            other = await send(ashik, "other", "bea", clientId="1")
            assert other["code"] == "idempotency_key_reused"
            await send(ashik, "last", "bea")
            await bea.until(lambda: heard(bea) == ["hello", "last"])

    async def test_lost_feed_heals(self, process: ApiProcess, database_url: str) -> None:
        async with Listener(process.url, BEA) as bea:
            await following(bea)
            async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
                for number in range(3):
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = %s AND datname = current_database()",
                        [APPLICATION_NAME],
                    )
                    await post(process, str(number), "bea")
            await bea.until(lambda: len(heard(bea)) >= 3)
            assert heard(bea) == ["0", "1", "2"]


class TestWhispers:
    async def test_typing(self, process: ApiProcess, other_process: ApiProcess) -> None:
        async with Listener(process.url, ASHIK) as ashik, Listener(other_process.url, BEA) as bea:
            await following(bea)
            request = {"receiverId": "bea", "typing": True}
            assert await ashik.call("typing", request) == request
            assert await bea.next("typing") == {"userId": 42, "senderId": 42, "typing": True}
            assert ashik.payloads("typing") == []

    async def test_message_read(self, process: ApiProcess, other_process: ApiProcess) -> None:
        async with Listener(other_process.url, ASHIK) as ashik:
            await following(ashik)
            sent = await post(process, "hello", "bea")
            headers = {"Authorization": f"Bearer {BEA}"}
            async with httpx.AsyncClient(base_url=process.url, headers=headers) as client:
                said(await client.post("/api/chat/messages/42/read"))
            assert await ashik.next("message_read") == {"userId": "bea", "upTo": sent}

    async def test_presence(
        self, process: ApiProcess, other_process: ApiProcess, database: Database
    ) -> None:
        async with Listener(process.url, ASHIK) as ashik:
            await ashik.until(lambda: {"userId": 42, "status": "online"} in ashik.presences)
            async with (
                Listener(process.url, BEA) as bea,
                Listener(other_process.url, BEA) as second,
            ):
                await ashik.until(lambda: _of(ashik, "bea") == ["online"])
                answer = await bea.call("presence", {"status": "busy"})
                assert answer == {"userId": "bea", "status": "busy"}
                await second.until(lambda: _of(second, "bea")[-1:] == ["busy"])
                await ashik.until(lambda: _of(ashik, "bea") == ["online", "busy"])
            await swept(database, lambda: len(_of(ashik, "bea")) > 2)
            assert _of(ashik, "bea") == ["online", "busy", "offline"]
            async with Listener(process.url, BEA):
                await ashik.until(lambda: len(_of(ashik, "bea")) > 3)
                assert _of(ashik, "bea")[3:] == ["busy"]

    async def test_offline_lasts_until_one_comes_anew(
        self, process: ApiProcess, database: Database
    ) -> None:
        async with Listener(process.url, ASHIK) as ashik:
            async with Listener(process.url, BEA) as bea:
                await ashik.until(lambda: _of(ashik, "bea") == ["online"])
                await bea.call("presence", {"status": "offline"})
                await ashik.until(lambda: _of(ashik, "bea") == ["online", "offline"])
            await swept(database, lambda: False, rounds=8)
            async with Listener(process.url, BEA):
                await ashik.until(lambda: len(_of(ashik, "bea")) > 2)
                assert _of(ashik, "bea") == ["online", "offline", "online"]


def _of(listener: Listener, user_id: object) -> list[str]:
    return [each["status"] for each in listener.presences if each["userId"] == user_id]


async def swept(database: Database, reached: Callable[[], bool], rounds: int = 60) -> None:
    """What the worker does all the time."""
    for _ in range(rounds):
        async with database.begin() as session:
            await attendance.sweep(session)
        await asyncio.sleep(0.25)
        if reached():
            return


class TestNotifications:
    async def test_message_and_mention(self, process: ApiProcess) -> None:
        async with Listener(process.url, BEA) as bea:
            await following(bea)
            first = await post(process, "hello", "bea")
            last = await post(process, f"@bea miller: {'x' * 300}", "bea")
            await bea.until(lambda: len(bea.payloads("notification")) == 3)
            told = bea.payloads("notification")
            assert told[0] == {"kind": "message", "messageId": first, "text": "hello"}
            assert [(each["kind"], each["messageId"]) for each in told[1:]] == [
                ("message", last),
                ("mention", last),
            ]
            assert len(told[1]["text"]) == 200

    async def test_none_for_what_was_read_or_sent(self, process: ApiProcess) -> None:
        await post(process, "hello", "bea")
        headers = {"Authorization": f"Bearer {BEA}"}
        async with httpx.AsyncClient(base_url=process.url, headers=headers) as client:
            said(await client.post("/api/chat/messages/42/read"))
        async with (
            Listener(process.url, BEA, afterMessageId=0) as bea,
            Listener(process.url, ASHIK, afterMessageId=0) as ashik,
        ):
            await bea.until(lambda: heard(bea) == ["hello"])
            await ashik.until(lambda: heard(ashik) == ["hello"])
            assert bea.payloads("notification") == ashik.payloads("notification") == []

    @pytest.mark.parametrize("note", ["Ask @bea, please", "(@Bea MILLER) knows", "@bea"])
    async def test_named_in_a_private_note(
        self, process: ApiProcess, database: Database, note: str
    ) -> None:
        ticket_id = await open_ticket(database)
        async with Listener(process.url, BEA) as bea, Listener(process.url, ASHIK) as ashik:
            await following(bea)
            await following(ashik)
            await write(database, ticket_id, "@bea and @42, in public", Visibility.PUBLIC)
            await write(database, ticket_id, "@beatrice, me@bea.example", Visibility.PRIVATE)
            seq = await write(database, ticket_id, note, Visibility.PRIVATE)
            assert await bea.next("notification") == {
                "kind": "mention",
                "ticketId": f"tkt_{ticket_id.hex}",
                "seq": seq,
                "text": note,
            }
            assert ashik.payloads("notification") == []

    async def test_assigned_by_somebody_else(self, process: ApiProcess, database: Database) -> None:
        ticket_id = await open_ticket(database)
        async with Listener(process.url, BEA) as bea, Listener(process.url, ASHIK) as ashik:
            await following(bea)
            await following(ashik)
            await assign(database, ticket_id, "42", by="42")
            await assign(database, ticket_id, "bea", by="42")
            told = await bea.next("notification")
            assert (told["kind"], told["ticketId"]) == ("assignment", f"tkt_{ticket_id.hex}")
            assert told["text"].endswith(" Help")
            assert ashik.payloads("notification") == []


async def assign(database: Database, ticket_id: UUID, agent_id: str, by: str) -> None:
    """Have it done, as the ticket's workflow would."""
    event = Event(type=EventType.ASSIGNED, after=agent_id, by=by)
    async with database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        state = tickets.state_of(row.ticket).model_copy(update={"agent_id": agent_id})
        await tickets.record(session, row.locked, state, [event])


class TestOthers:
    async def test_customers_and_back_ends_have_no_part_in_it(
        self, process: ApiProcess, database: Database
    ) -> None:
        customer_id = await new_customer(database)
        async with database.begin() as session:
            key = await keys.create(session, "office", [Scope.ADMIN])
        others = {
            "customer": token("customer", "42", email="jo@example.com"),
            "visitor": visitor(customer_id)["Authorization"].removeprefix("Bearer "),
            "key": key,
        }
        calls: list[tuple[str, dict[str, object]]] = [
            ("subscribe", {"scope": "team", "afterSeq": 0}),
            ("unsubscribe", {"scope": "team"}),
            ("send_message", {"receiverId": "bea", "message": "hello"}),
            ("typing", {"receiverId": "bea", "typing": True}),
            ("presence", {"status": "busy"}),
        ]
        async with Listener(process.url, BEA) as bea, Listener(process.url, ASHIK) as ashik:
            await following(bea)
            await following(ashik)
            for name, credential in others.items():
                async with Listener(process.url, credential, afterMessageId=0) as other:
                    for event, request in calls:
                        answer = await other.call(event, request)
                        assert answer["code"] == "forbidden", (name, event)
                    await send(ashik, "hello", "bea")
                    await ashik.call("typing", {"receiverId": "bea", "typing": True})
                    await ashik.call("presence", {"status": "away"})
                    await bea.until(lambda: len(bea.payloads("typing")) > 0)
                    await bea.until(lambda: _of(bea, 42)[-1:] == ["away"])
                    assert other.presences == []
                    assert not EVENTS & {event for event, _ in other.events}, name
                    bea.events.clear()
                    bea.presences.clear()

    async def test_what_is_not_theirs_is_not_told(self, process: ApiProcess) -> None:
        cy = token("agent", "cy", name="Cy")
        async with Listener(process.url, cy) as third, Listener(process.url, BEA) as bea:
            await following(third)
            await following(bea)
            await post(process, "hello @cy", "bea")
            await bea.next("new_message")
            assert await third.call("subscribe", {"scope": "team", "afterSeq": 0}) == {
                "scope": "team",
                "seq": 0,
            }
            assert third.events == []


class TestRubbish:
    @pytest.mark.parametrize("event", ["send_message", "typing", "presence"])
    @pytest.mark.parametrize(
        "payload",
        [
            None,
            7,
            "text",
            [],
            {},
            {"receiverId": None, "message": "m", "typing": True, "status": "on"},
            {"receiverId": True, "message": "m", "typing": 7, "status": None},
            {"receiverId": "bea\0", "message": "m", "typing": True, "status": 1},
            {"receiverId": "b" * 201, "message": "m", "typing": True, "status": []},
            {"receiverId": 10**400, "message": "m", "typing": True, "status": {}},
            {"receiverId": "bea", "message": "\0", "typing": "perhaps", "status": "BUSY"},
        ],
    )
    async def test_is_refused(self, process: ApiProcess, event: str, payload: object) -> None:
        async with Listener(process.url, ASHIK) as ashik:
            assert (await ashik.call(event, payload))["code"] == "invalid"

    async def test_unknown_receiver(self, process: ApiProcess) -> None:
        async with Listener(process.url, ASHIK) as ashik:
            assert (await send(ashik, "hello", "nobody"))["code"] == "not_found"
            typing = {"receiverId": 7, "typing": True}
            assert (await ashik.call("typing", typing))["code"] == "not_found"

    async def test_longest_message(self, process: ApiProcess) -> None:
        async with Listener(process.url, ASHIK) as ashik, Listener(process.url, BEA) as bea:
            await following(bea)
            assert (await send(ashik, "x" * 16_001, "bea"))["code"] == "invalid"
            await send(ashik, "x" * 16_000, "bea")
            assert (await bea.next("new_message"))["text"] == "x" * 16_000

    async def test_nobody_can_ask_for_what_comes_by_itself(self, process: ApiProcess) -> None:
        address = f"{process.url}/socket.io/?EIO=4&transport=websocket"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            await socket.receive()
            await socket.send_str(f'40{{"token":"{ASHIK}"}}')
            await socket.receive()
            for _ in range(3):
                await socket.send_str('42["connect",{"scope":"team"}]')
            while (await socket.receive(PATIENCE)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert socket.closed

    async def test_calls_count_as_over_http(self, config: ApiConfig, database_url: str) -> None:
        few = config.model_copy(update={"rate_limit_caller": 4})
        async with api_process(few, database_url) as process, Listener(process.url, ASHIK) as ashik:
            answers = [await send(ashik, "hello", "bea") for _ in range(5)]
            codes = [answer.get("code") for answer in answers]
            assert codes == [None] * 3 + ["too_many_requests"] * 2
