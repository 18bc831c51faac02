"""Team chat over HTTP, and every word in which it refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from api.app import create_app
from api.config import ApiConfig
from domain.models import Side
from domain.principals import Role, Scope
from store import agents, attendance
from store.database import Database
from store.presences import Person
from tests.api.chatting import said
from tests.api.conftest import PretendedEngine, client_of
from tests.api.matrix import operations
from tests.api.people import as_, bearer, signed, with_key

ASHIK = as_(Role.AGENT, "42", name="Ashik", email="ashik@example.com")
BEA = as_(Role.ADMIN, "bea", name="Bea")
CY = as_(Role.AGENT, "007", name="Cy")

ONLINE = "/api/chat/users/online"
MESSAGES = "/api/chat/messages"
CONTACTS = "/api/chat/contacts/frequent"
UNREAD = "/api/chat/unread"


@pytest.fixture(autouse=True)
async def team(client: httpx.AsyncClient) -> None:
    """All three have called before."""
    for headers in (ASHIK, BEA, CY):
        said(await client.get(ONLINE, headers=headers))


async def send(
    client: httpx.AsyncClient,
    message: str = "hello",
    to: object = "bea",
    by: dict[str, str] = ASHIK,
    key: str | None = None,
) -> Any:  # noqa: ANN401  JSON
    body = {"receiverId": to, "message": message, "type": "text"}
    headers = by | ({"Idempotency-Key": key} if key else {})
    return said(await client.post(MESSAGES, json=body, headers=headers), 201)


async def texts(client: httpx.AsyncClient, by: dict[str, str], other: str) -> list[str]:
    found = said(await client.get(f"{MESSAGES}/{other}", headers=by))
    return [each["text"] for each in found]


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and the sentence; nothing else is told."""
    (told,) = answer.json().items()
    assert told[0] == "error"
    return answer.status_code, told[1]


class TestUsers:
    async def test_rows_are_as_in_the_seed(self, client: httpx.AsyncClient) -> None:
        first, second = said(await client.get(ONLINE, headers=BEA))
        assert datetime.fromisoformat(second.pop("last_activity")).tzinfo
        assert second == {
            "id": 42,
            "name": "Ashik",
            "email": "ashik@example.com",
            "department": None,
            "status": "online",
        }
        assert first["id"] == "007"

    async def test_department(self, client: httpx.AsyncClient, database: Database) -> None:
        async with database.begin() as session:
            await agents.add(session, "dan", "Dan", department="Billing")
        *_, last = said(await client.get(ONLINE, headers=BEA))
        assert (last["department"], last["last_activity"], last["status"]) == (
            "Billing",
            None,
            "offline",
        )

    @pytest.mark.parametrize(
        ("idle", "said_so", "status"),
        [
            (timedelta(seconds=100), None, "online"),
            (timedelta(seconds=100), "busy", "busy"),
            (timedelta(seconds=100), "offline", "offline"),
            (timedelta(seconds=130), None, "away"),
            (timedelta(seconds=130), "busy", "away"),
            (timedelta(seconds=130), "offline", "offline"),
            (timedelta(seconds=310), None, "offline"),
            (timedelta(seconds=310), "busy", "offline"),
        ],
    )
    async def test_status_without_a_socket(
        self,
        client: httpx.AsyncClient,
        database: Database,
        idle: timedelta,
        said_so: str | None,
        status: str,
    ) -> None:
        seen = {"seen": datetime.now(UTC) - idle, "said": said_so}
        async with database.begin() as session:
            await session.execute(
                text(
                    "UPDATE agents SET last_seen_at = :seen, presence_status = :said"
                    " WHERE id = '42'"
                ),
                seen,
            )
        found = {each["id"]: each for each in said(await client.get(ONLINE, headers=BEA))}
        assert found[42]["status"] == status

    async def test_whoever_has_a_socket_is_online(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        process = uuid4()
        async with database.begin() as session:
            await session.execute(text("UPDATE agents SET last_seen_at = now() - interval '1 h'"))
            await attendance.beat(session, process)
            await attendance.note(session, process, {Person(Side.AGENT, "42"): None})
        first, second = said(await client.get(ONLINE, headers=BEA))
        assert (first["id"], first["status"]) == (42, "online")
        assert (second["id"], second["status"]) == ("007", "offline")
        left = datetime.now(UTC) - timedelta(minutes=3)
        async with database.begin() as session:
            await attendance.note(session, process, {Person(Side.AGENT, "42"): left})
        assert said(await client.get(ONLINE, headers=BEA))[0]["status"] == "away"
        async with database.begin() as session:
            await attendance.sweep(session)
        assert said(await client.get(ONLINE, headers=BEA))[0]["status"] == "away"

    async def test_a_process_that_died_takes_its_people_along(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        process = uuid4()
        async with database.begin() as session:
            await session.execute(text("UPDATE agents SET last_seen_at = now() - interval '1 h'"))
            await attendance.beat(session, process)
            await attendance.note(session, process, {Person(Side.AGENT, "42"): None})
            await session.execute(
                text("UPDATE api_processes SET seen_at = now() - interval '10 min'")
            )
        assert said(await client.get(ONLINE, headers=BEA))[0]["status"] == "offline"

    async def test_limit(self, client: httpx.AsyncClient) -> None:
        assert len(said(await client.get(f"{ONLINE}?limit=1", headers=BEA))) == 1


class TestMessages:
    @pytest.mark.parametrize("receiver", [42, "42"])
    async def test_number_and_text_are_one_user(
        self, client: httpx.AsyncClient, receiver: object
    ) -> None:
        sent = await send(client, to=receiver, by=BEA)
        assert sent.keys() == {"success", "id", "timestamp"}
        assert sent["success"] is True
        (found,) = said(await client.get(f"{MESSAGES}/bea", headers=ASHIK))
        assert found == {
            "id": sent["id"],
            "senderId": "bea",
            "senderName": "Bea",
            "receiverId": 42,
            "text": "hello",
            "type": "text",
            "timestamp": sent["timestamp"],
            "readAt": None,
        }

    async def test_number_with_a_leading_zero_stays_text(self, client: httpx.AsyncClient) -> None:
        await send(client, to="007")
        (found,) = said(await client.get(f"{MESSAGES}/007", headers=ASHIK))
        assert found["receiverId"] == "007"

    async def test_type_may_be_left_out(self, client: httpx.AsyncClient) -> None:
        body = {"receiverId": "bea", "message": "hello"}
        said(await client.post(MESSAGES, json=body, headers=ASHIK), 201)
        (found,) = said(await client.get(f"{MESSAGES}/42", headers=BEA))
        assert found["type"] == "text"

    async def test_sender_is_whoever_the_token_names(self, client: httpx.AsyncClient) -> None:
        body = {"receiverId": "bea", "senderId": "007", "message": "hello"}
        said(await client.post(MESSAGES, json=body, headers=ASHIK), 201)
        (found,) = said(await client.get(f"{MESSAGES}/42", headers=BEA))
        assert found["senderId"] == 42

    async def test_third_parties_see_nothing(self, client: httpx.AsyncClient) -> None:
        await send(client)
        assert await texts(client, CY, "42") == await texts(client, CY, "bea") == []

    async def test_windows(self, client: httpx.AsyncClient) -> None:
        ids = [(await send(client, str(number)))["id"] for number in range(5)]
        place = f"{MESSAGES}/bea"
        for query, expected in [
            ("limit=2", ["3", "4"]),
            (f"before={ids[3]}&limit=2", ["1", "2"]),
            (f"after={ids[0]}&limit=2", ["1", "2"]),
            (f"after={ids[4]}", []),
            ("before=0", []),
        ]:
            found = said(await client.get(f"{place}?{query}", headers=ASHIK))
            assert [each["text"] for each in found] == expected

    async def test_ids_with_slashes(self, client: httpx.AsyncClient) -> None:
        said(await client.get(ONLINE, headers=as_(Role.AGENT, "team/dan")))
        await send(client, to="team/dan")
        assert await texts(client, ASHIK, "team%2Fdan") == ["hello"]
        said(await client.post(f"{MESSAGES}/team%2Fdan/read", headers=ASHIK))

    async def test_same_key_is_one_message(self, client: httpx.AsyncClient) -> None:
        assert await send(client, key="1") == await send(client, key="1")
        assert await texts(client, ASHIK, "bea") == ["hello"]
        body = {"receiverId": "bea", "message": "other"}
        headers = ASHIK | {"Idempotency-Key": "1"}
        again = await client.post(MESSAGES, json=body, headers=headers)
        assert refused(again)[0] == 409

    async def test_longest_message(self, client: httpx.AsyncClient) -> None:
        await send(client, "é" * 16_000)
        body = {"receiverId": "bea", "message": "é" * 16_001}
        too_long = await client.post(MESSAGES, json=body, headers=ASHIK)
        assert refused(too_long) == (
            422,
            "message: String should have at most 16000 characters",
        )


class TestUnread:
    async def test_until_it_is_read(self, client: httpx.AsyncClient) -> None:
        first = await send(client)
        last = await send(client)
        assert said(await client.get(UNREAD, headers=BEA)) == {
            "total": 2,
            "users": [{"userId": 42, "count": 2, "lastMessageId": last["id"]}],
        }
        read = f"{MESSAGES}/42/read"
        assert said(await client.post(read, json={"upTo": first["id"]}, headers=BEA)) == {
            "success": True,
            "upTo": first["id"],
        }
        assert said(await client.get(UNREAD, headers=BEA))["total"] == 1
        assert said(await client.post(read, headers=BEA))["upTo"] == last["id"]
        assert said(await client.post(read, headers=BEA))["upTo"] is None
        assert said(await client.get(UNREAD, headers=BEA)) == {"total": 0, "users": []}
        found = said(await client.get(f"{MESSAGES}/bea", headers=ASHIK))
        assert all(each["readAt"] for each in found)


class TestContacts:
    async def test_kept_by_itself(self, client: httpx.AsyncClient) -> None:
        await send(client)
        (contact,) = said(await client.get(CONTACTS, headers=BEA))
        assert datetime.fromisoformat(contact.pop("last_contact")).tzinfo
        assert contact.pop("last_activity")
        assert contact == {
            "id": 42,
            "name": "Ashik",
            "email": "ashik@example.com",
            "department": None,
            "status": "online",
        }

    async def test_kept_by_hand(self, client: httpx.AsyncClient) -> None:
        for contact_id in (42, "007"):
            body = {"contactId": contact_id}
            added = said(await client.post(CONTACTS, json=body, headers=BEA), 201)
            assert added["id"] == contact_id
        listed = said(await client.get(CONTACTS, headers=BEA))
        assert [each["id"] for each in listed] == ["007", 42]
        gone = await client.delete(f"{CONTACTS}/42", headers=BEA)
        assert said(gone) == {"success": True}
        again = await client.delete(f"{CONTACTS}/42", headers=BEA)
        assert refused(again) == (404, "There is no such contact.")
        assert [each["id"] for each in said(await client.get(CONTACTS, headers=BEA))] == ["007"]


UNKNOWN = (
    404,
    "User not found: a colleague exists from the first call, or by `holdfast agent add`.",
)


class TestRefusals:
    async def test_token(self, client: httpx.AsyncClient, database: Database) -> None:
        expired = bearer(signed(sub="42", role="agent", exp=1))
        assert refused(await client.get(ONLINE)) == (401, "Access token required")
        for headers in (bearer(""), {"Authorization": "Basic abc"}):
            assert refused(await client.get(ONLINE, headers=headers))[0] == 401
        for headers in (bearer("bad"), bearer("sk_bad"), expired):
            assert refused(await client.get(ONLINE, headers=headers)) == (403, "Invalid token")
        key = await with_key(database, Scope.ADMIN)
        for headers in (as_(Role.CUSTOMER), as_(Role.VISITOR), key):
            answer = await client.get(ONLINE, headers=headers)
            assert refused(answer) == (403, "Insufficient permissions")

    async def test_user_id_stands_for_sub(self, client: httpx.AsyncClient) -> None:
        """As the seed's tokens have it."""
        headers = bearer(signed(userId=43, role="agent", name="Eve", email="eve@example.com"))
        said(await client.get(ONLINE, headers=headers))
        await send(client, to=43)
        assert await texts(client, headers, "42") == ["hello"]

    async def test_unknown_users(self, client: httpx.AsyncClient) -> None:
        body = {"receiverId": "nobody", "message": "hello"}
        assert refused(await client.post(MESSAGES, json=body, headers=ASHIK)) == UNKNOWN
        for answer in (
            await client.get(f"{MESSAGES}/nobody", headers=ASHIK),
            await client.post(f"{MESSAGES}/nobody/read", headers=ASHIK),
            await client.post(CONTACTS, json={"contactId": "nobody"}, headers=ASHIK),
        ):
            assert refused(answer) == UNKNOWN

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ({"message": "hello"}, "receiverId: Field required"),
            ({"receiverId": 1}, "message: Field required"),
            ({}, "receiverId: Field required; message: Field required"),
            ({"receiverId": True, "message": "m"}, "receiverId: Input should be a valid string"),
            ({"receiverId": 1.5, "message": "m"}, "receiverId: Input should be a valid string"),
            ({"receiverId": None, "message": "m"}, "receiverId: Input should be a valid string"),
            ({"receiverId": 1, "message": " "}, "message: must not be blank"),
            ({"receiverId": 1, "message": "a\0"}, "message: must not contain NUL characters"),
            (
                {"receiverId": 1, "message": "m", "type": "x" * 21},
                "type: String should have at most 20 characters",
            ),
        ],
    )
    async def test_bodies(
        self, client: httpx.AsyncClient, body: dict[str, Any], sentence: str
    ) -> None:
        assert refused(await client.post(MESSAGES, json=body, headers=ASHIK)) == (422, sentence)

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 10_000, b'{"receiverId": 1e999}']
    )
    async def test_what_is_no_body(self, client: httpx.AsyncClient, body: bytes) -> None:
        headers = ASHIK | {"Content-Type": "application/json"}
        answer = await client.post(MESSAGES, content=body, headers=headers)
        assert refused(answer)[0] == 422

    async def test_huge_numbers(self, client: httpx.AsyncClient) -> None:
        body = b'{"receiverId": %s, "message": "m"}' % (b"9" * 4_000)
        headers = ASHIK | {"Content-Type": "application/json"}
        assert refused(await client.post(MESSAGES, content=body, headers=headers))[0] == 422
        for query in ("before=-1", f"after={2**63}", "limit=0", "limit=101", "before=x"):
            answer = await client.get(f"{MESSAGES}/bea?{query}", headers=ASHIK)
            assert refused(answer)[0] == 422

    async def test_too_large(self, client: httpx.AsyncClient) -> None:
        body = b'{"receiverId": "bea", "message": "%s"}' % (b"m" * 300_000)
        headers = ASHIK | {"Content-Type": "application/json"}
        answer = await client.post(MESSAGES, content=body, headers=headers)
        assert refused(answer) == (413, "The request is too large.")

    async def test_what_is_not_there(self, client: httpx.AsyncClient) -> None:
        nowhere = await client.get("/api/chat/nowhere", headers=ASHIK)
        assert refused(nowhere) == (404, "Not Found")
        assert refused(await client.put(ONLINE, headers=ASHIK)) == (405, "Method Not Allowed")
        assert (await client.get("/api/nowhere")).json() == {"detail": "Not Found"}

    async def test_too_many(
        self, config: ApiConfig, database: Database, engine: PretendedEngine
    ) -> None:
        strict = config.model_copy(update={"rate_limit_caller": 1})
        async with client_of(create_app(strict, database, engine)) as client:  # type: ignore[arg-type]
            said(await client.get(ONLINE, headers=ASHIK))
            answer = await client.get(ONLINE, headers=ASHIK)
            assert refused(answer) == (429, "Too many requests. Wait and try again.")
            assert int(answer.headers["Retry-After"]) > 0

    async def test_faults_of_ours(self, client: httpx.AsyncClient, database: Database) -> None:
        async with database.begin() as session:
            await session.execute(text("DROP TABLE frequent_contacts"))
        broken = await client.get(CONTACTS, headers=ASHIK)
        assert refused(broken) == (500, "Internal server error")


async def test_database_away(config: ApiConfig, engine: PretendedEngine) -> None:
    nowhere = Database("postgresql://postgres@127.0.0.1:1/none")
    async with client_of(create_app(config, nowhere, engine)) as client:  # type: ignore[arg-type]
        answer = await client.get(ONLINE, headers=ASHIK)
        assert refused(answer)[0] == 503
        assert int(answer.headers["Retry-After"]) > 0
    await nowhere.close()


def test_openapi_describes_the_family_s_errors(app: FastAPI) -> None:
    found = [each for each in operations(app) if each[1].startswith("/api/chat/")]
    assert len(found) == 8
    for method, path, operation in found:
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                continue
            schema = response["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/PlainProblem"}, (method, path, status)
        assert {"401", "403", "422", "429", "500", "503"} <= operation["responses"].keys()
    descriptions = found[0][2]["responses"]
    assert descriptions["401"]["description"] == "Access token required"
    assert descriptions["403"]["description"] == "Invalid token Or: Insufficient permissions"
