"""Live chat from the agents' side: shifts, the queue, and who may do what in a conversation."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Interval, func, select, type_coerce, update

from domain.models import ConversationStatus, Side, ThreadKind
from domain.principals import Role, Scope
from store import agents, conversations, read_marks, reading
from store.database import Database
from store.tables import Agent
from tests.api.chatting import ADMIN, ASHIK, BEA, Chat, Json, code, said
from tests.api.conftest import JudgingEngine
from tests.api.people import as_, with_key

SESSIONS = "/api/agent/sessions"
LIST = "/api/agent/conversations"
QUEUE = "/api/agent/queue"


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


@pytest.fixture
async def key(database: Database) -> dict[str, str]:
    return await with_key(database, Scope.TICKETS)


async def is_on_duty(database: Database, agent_id: str) -> bool:
    async with database.begin() as session:
        agent = await agents.find(session, agent_id)
    assert agent is not None
    return agent.on_duty


async def join_team(database: Database, agent_id: str, tag: str) -> None:
    async with database.begin() as session:
        await agents.add(session, agent_id, agent_id.title())
        await agents.equip(session, agent_id, tags=[tag])


class TestShift:
    async def test_begins_with_what_there_is_to_do(self, chat: Chat, database: Database) -> None:
        own, waiting = await chat.accepted(), await chat.waiting()
        body = {"agentId": "agent-123", "displayName": "Ashik", "channel": "web"}
        session = said(await chat.client.post(SESSIONS, json=body, headers=ASHIK))
        (conversation,) = session.pop("conversations")
        (entry,) = session["queue"].pop("entries")
        assert session == {
            "agentId": "agent-123", "displayName": "Ashik", "status": "online", "capacity": 3,
            "active": 1, "queue": {"total": 1},
        }  # fmt: skip
        assert conversation["id"] == own.conversation_id
        assert entry["conversationId"] == waiting.conversation_id
        assert await is_on_duty(database, "agent-123")

    async def test_needs_no_body_of_ones_own(self, chat: Chat) -> None:
        bodies: tuple[object, ...] = (None, {})
        for body in bodies:
            session = said(await chat.client.post(SESSIONS, json=body, headers=ASHIK))
            assert (session["agentId"], session["displayName"]) == ("agent-123", "Ashik")

    async def test_nobody_is_nameless(self, chat: Chat) -> None:
        nameless = as_(Role.AGENT, "nameless")
        session = said(await chat.client.post(SESSIONS, headers=nameless))
        assert session["displayName"] == "nameless"

    async def test_name_is_that_of_the_token(self, chat: Chat) -> None:
        body = {"displayName": "Somebody else"}
        assert (
            said(await chat.client.post(SESSIONS, json=body, headers=ASHIK))["displayName"]
            == "Ashik"
        )
        nameless = as_(Role.AGENT, "nameless")
        named = said(await chat.client.post(SESSIONS, json=body, headers=nameless))
        assert named["displayName"] == "Somebody else"
        again = said(await chat.client.post(SESSIONS, json={}, headers=nameless))
        assert again["displayName"] == "Somebody else"

    async def test_signing_off_tells_the_conversations(
        self, chat: Chat, database: Database
    ) -> None:
        visitor = await chat.accepted()
        chat.engine.nudged.clear()
        said(await chat.client.post(SESSIONS, json={}, headers=ASHIK))
        left = said(await chat.client.post(SESSIONS, json={"status": "offline"}, headers=ASHIK))
        assert left["status"] == "offline"
        assert not await is_on_duty(database, "agent-123")
        assert [str(thread.id) for thread in chat.engine.nudged] == [visitor.conversation_id]
        state = await chat.state(visitor)
        assert (state["status"], state["agent"]) == ("QUEUED", None)

    async def test_signing_off_answers_what_is_after_it(self, chat: Chat) -> None:
        own, of_another = await chat.accepted(), await chat.accepted(BEA)
        waiting = await chat.waiting()
        left = said(await chat.client.post(SESSIONS, json={"status": "offline"}, headers=ASHIK))
        assert (left["active"], left["conversations"]) == (0, [])
        assert left["queue"]["total"] == 2
        assert _ids(left["queue"]) == [own.conversation_id, waiting.conversation_id]
        assert [each["position"] for each in left["queue"]["entries"]] == [1, 2]
        for visitor in (own, of_another):
            await chat.state(visitor)
        again = said(await chat.client.post(SESSIONS, json={"status": "offline"}, headers=ASHIK))
        shown, told = again.pop("queue"), left.pop("queue")
        assert again == left
        assert _ids(shown) == _ids(told)

    async def test_of_somebody_else_is_403(self, chat: Chat) -> None:
        refused = await chat.client.post(SESSIONS, json={"agentId": "bea"}, headers=ASHIK)
        assert code(refused) == (403, "forbidden")

    async def test_by_a_back_end_or_an_admin(
        self, chat: Chat, key: dict[str, str], database: Database
    ) -> None:
        bodies: tuple[object, ...] = (None, {})
        for given in bodies:
            refused = await chat.client.post(SESSIONS, json=given, headers=key)
            assert code(refused) == (400, "invalid")
        for number, headers in enumerate((key, ADMIN)):
            body = {"agentId": f"named-{number}", "displayName": "Named"}
            session = said(await chat.client.post(SESSIONS, json=body, headers=headers))
            assert session["displayName"] == "Named"
            assert await is_on_duty(database, f"named-{number}")

    @pytest.mark.parametrize(
        "body", [[], {"agentId": ""}, {"agentId": 7}, {"status": "away"}, {"displayName": []}]
    )
    async def test_what_does_not_fit_is_400(self, chat: Chat, body: object) -> None:
        refused = await chat.client.post(SESSIONS, json=body, headers=ASHIK)
        assert code(refused) == (400, "invalid")


class TestAgentsOfABackEnd:
    @pytest.mark.parametrize("who", ["key", "admin"])
    @pytest.mark.parametrize(
        "what", ["accept", "messages", "close", "transfer", "release", "to-ticket"]
    )
    async def test_who_never_began_a_shift_is_unknown(
        self, chat: Chat, key: dict[str, str], database: Database, who: str, what: str
    ) -> None:
        visitor = await chat.waiting() if what == "accept" else await chat.accepted()
        refused = await chat.client.post(
            f"{visitor.desk}/{what}",
            json={"agentId": "mistyped", "content": "Hi", "toAgentId": "agent-123"},
            headers=key if who == "key" else ADMIN,
        )
        assert code(refused) == (422, "unknown_agent")
        async with database.begin() as session:
            assert not await agents.exists(session, "mistyped")

    async def test_calls_for_them_count_as_theirs(
        self, chat: Chat, key: dict[str, str], database: Database
    ) -> None:
        body = {"agentId": "agent-123", "displayName": "Ashik", "content": "Hi"}
        said(await chat.client.post(SESSIONS, json=body, headers=key))
        visitor = await chat.waiting()
        for method, place, status in (
            ("POST", f"{visitor.desk}/accept", 200),
            ("POST", f"{visitor.desk}/messages", 201),
            ("GET", f"{LIST}?agentId=agent-123", 200),
            ("POST", f"{visitor.desk}/close", 200),
        ):
            await _was_seen(database, "agent-123", ago=timedelta(minutes=1))
            said(await chat.client.request(method, place, json=body, headers=key), status)
            assert await _seen_ago(database, "agent-123") < timedelta(seconds=20), place

    async def test_calls_in_a_row_are_noted_once(
        self, chat: Chat, key: dict[str, str], database: Database
    ) -> None:
        await chat.accepted()
        await _was_seen(database, "agent-123", ago=timedelta(seconds=20))
        said(await chat.client.get(f"{LIST}?agentId=agent-123", headers=key))
        assert await _seen_ago(database, "agent-123") >= timedelta(seconds=20)

    async def test_whom_an_admin_looks_at_is_not_there(
        self, chat: Chat, database: Database
    ) -> None:
        await chat.accepted()
        await _was_seen(database, "agent-123", ago=timedelta(minutes=1))
        said(await chat.client.get(f"{LIST}?agentId=agent-123", headers=ADMIN))
        assert await _seen_ago(database, "agent-123") >= timedelta(minutes=1)


async def _was_seen(database: Database, agent_id: str, ago: timedelta) -> None:
    async with database.begin() as session:
        seen = {"last_seen_at": func.now() - ago}
        await session.execute(update(Agent).where(Agent.id == agent_id).values(**seen))


async def _seen_ago(database: Database, agent_id: str) -> timedelta:
    async with database.begin() as session:
        ago = select(type_coerce(func.now() - Agent.last_seen_at, Interval)).where(
            Agent.id == agent_id
        )
        since: timedelta = (await session.execute(ago)).scalar_one()
        return since


def _ids(glance: Json) -> list[str]:
    return [each["conversationId"] for each in glance["entries"]]


class TestQueue:
    async def test_is_by_waiting_time(self, chat: Chat) -> None:
        visitors = [await chat.visit(displayName=f"Jane {number}") for number in range(3)]
        await chat.ask(visitors[0], "First!")
        page = said(await chat.client.get(QUEUE, headers=ASHIK))
        entries = page.pop("content")
        assert page == {"page": 0, "size": 20, "totalElements": 3, "totalPages": 1}
        assert [each["conversationId"] for each in entries] == [
            each.conversation_id for each in visitors
        ]
        assert [each["position"] for each in entries] == [1, 2, 3]
        first = entries[0]
        assert set(first) >= {
            "conversationId", "customer", "queuedAt", "waitSeconds", "position", "lastMessage",
        }  # fmt: skip
        assert first["customer"]["displayName"] == "Jane 0"
        assert first["lastMessage"]["content"] == "First!"
        assert first["waitSeconds"] >= 0
        assert datetime.fromisoformat(first["queuedAt"]).tzinfo
        assert entries[1]["lastMessage"] is None

    async def test_pages_begin_at_0(self, chat: Chat) -> None:
        visitors = [await chat.visit() for _ in range(3)]
        second = said(await chat.client.get(QUEUE, params={"page": 1, "size": 2}, headers=ASHIK))
        assert [each["conversationId"] for each in second["content"]] == [
            visitors[2].conversation_id
        ]
        assert [each["position"] for each in second["content"]] == [3]
        assert second["totalPages"] == 2
        beyond = said(await chat.client.get(QUEUE, params={"page": 9}, headers=ASHIK))
        assert (beyond["content"], beyond["totalElements"]) == ([], 3)

    async def test_is_empty(self, chat: Chat) -> None:
        page = said(await chat.client.get(QUEUE, headers=ASHIK))
        assert (page["content"], page["totalElements"], page["totalPages"]) == ([], 0, 0)

    @pytest.mark.parametrize("query", ["page=-1", "size=0", "size=101", "page=x"])
    async def test_query_that_does_not_fit_is_400(self, chat: Chat, query: str) -> None:
        assert (await chat.client.get(f"{QUEUE}?{query}", headers=ASHIK)).status_code == 400


class TestAccept:
    async def test_answers_the_conversation(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        body = {"agentId": "agent-123", "displayName": "Ashik"}
        accepted = said(await chat.client.post(f"{visitor.desk}/accept", json=body, headers=ASHIK))
        assert accepted["id"] == visitor.conversation_id
        assert accepted["status"] == "ASSIGNED"
        assert accepted["agent"] == {"id": "agent-123", "displayName": "Ashik"}
        assert accepted["customer"]["phone"] == "0123456789"

    async def test_again_is_200_and_costs_nothing(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        again = said(await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK))
        assert again["agent"]["id"] == "agent-123"
        assert chat.engine.orders == 1

    async def test_of_many_one_gets_it(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        desk = [as_(Role.AGENT, f"agent-{number}") for number in range(20)]
        answers = await asyncio.gather(
            *(chat.client.post(f"{visitor.desk}/accept", headers=agent) for agent in desk)
        )
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 19]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.json() == {
            "detail": "Conversation is no longer available to accept.",
            "code": "conflict",
        }

    async def test_too_late_is_said_without_the_workflow(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        for _ in range(5):
            refused = await chat.client.post(f"{visitor.desk}/accept", headers=BEA)
            assert code(refused) == (409, "conflict")
        assert chat.engine.orders == 1

    async def test_beyond_capacity_is_409(self, chat: Chat) -> None:
        for _ in range(3):
            await chat.accepted()
        one_more = await chat.waiting()
        refused = await chat.client.post(f"{one_more.desk}/accept", headers=ASHIK)
        assert code(refused) == (409, "capacity")
        assert chat.engine.orders == 3

    async def test_many_at_once_never_exceed_capacity(self, chat: Chat) -> None:
        visitors = [await chat.waiting() for _ in range(8)]
        answers = await asyncio.gather(
            *(chat.client.post(f"{each.desk}/accept", headers=ASHIK) for each in visitors)
        )
        assert sorted(answer.status_code for answer in answers) == [*[200] * 3, *[409] * 5]

    async def test_of_another_team_is_409(self, chat: Chat, database: Database) -> None:
        await join_team(database, "bea", "billing")
        visitor = await chat.waiting(tags=["billing"])
        refused = await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK)
        assert code(refused) == (409, "wrong_team")
        async with database.begin() as session:
            await agents.equip(session, "agent-123", tags=["billing"])
        said(await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK))

    async def test_of_another_team_is_free_to_admins(self, chat: Chat, database: Database) -> None:
        await join_team(database, "bea", "billing")
        visitor = await chat.waiting(tags=["billing"])
        accepted = said(await chat.client.post(f"{visitor.desk}/accept", headers=ADMIN))
        assert accepted["agent"]["id"] == "boss"

    async def test_tag_that_no_agent_carries_keeps_nobody_away(self, chat: Chat) -> None:
        visitor = await chat.waiting(tags=["made-up"])
        said(await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK))

    async def test_of_a_closed_one_is_410(self, chat: Chat) -> None:
        visitor = await chat.closed()
        for agent in (ASHIK, BEA):
            refused = await chat.client.post(f"{visitor.desk}/accept", headers=agent)
            assert code(refused) == (410, "gone")

    async def test_for_somebody_else(self, chat: Chat, key: dict[str, str]) -> None:
        visitor = await chat.waiting()
        place = f"{visitor.desk}/accept"
        body = {"agentId": "bea", "displayName": "Bea"}
        assert code(await chat.client.post(place, json=body, headers=ASHIK)) == (403, "forbidden")
        assert code(await chat.client.post(place, headers=key)) == (400, "invalid")
        accepted = said(await chat.client.post(place, json=body, headers=key))
        assert accepted["agent"] == {"id": "bea", "displayName": "Bea"}

    async def test_by_somebody_without_a_name(self, chat: Chat, database: Database) -> None:
        visitor = await chat.waiting()
        nameless = as_(Role.AGENT, "nameless")
        accepted = said(await chat.client.post(f"{visitor.desk}/accept", headers=nameless))
        assert accepted["agent"] == {"id": "nameless", "displayName": "nameless"}
        assert (await chat.reply(visitor, by=nameless))["sender"]["displayName"] == "nameless"
        async with database.begin() as session:
            entries = await reading.entries(
                session, UUID(visitor.conversation_id), limit=10, private=True
            )
        (assigned,) = [each.event for each in entries if each.event and each.event.get("after")]
        assert assigned["agentName"] == "nameless"

    async def test_of_what_is_not_there_is_404(self, chat: Chat) -> None:
        for odd in ("nothing", "00000000-0000-0000-0000-000000000000"):
            refused = await chat.client.post(f"{LIST}/{odd}/accept", headers=ASHIK)
            assert code(refused) == (404, "not_found")

    async def test_while_temporal_is_down_is_503(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        chat.engine.works = False
        refused = await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK)
        assert code(refused) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) > 0


class TestMessages:
    async def test_reply_is_by_the_agent(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        message = await chat.reply(visitor, metadata={"channel": "support-panel"})
        assert message["sender"] == {
            "role": "AGENT", "id": "agent-123", "displayName": "Ashik",
        }  # fmt: skip
        assert message["metadata"] == {"channel": "support-panel"}
        assert (await chat.state(visitor))["status"] == "CONNECTED"

    async def test_notes_are_for_agents(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        note = await chat.reply(visitor, "Asks often.", visibility="private")
        assert note["visibility"] == "private"
        history = said(await chat.client.get(f"{visitor.desk}/messages", headers=BEA))
        assert [each["content"] for each in history] == ["Hello!", "Asks often."]

    async def test_only_of_the_agent_who_has_it(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        body = {"content": "Hi"}
        place = f"{visitor.desk}/messages"
        refused = await chat.client.post(place, json=body, headers=ASHIK)
        assert code(refused) == (422, "not_assigned")
        said(await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK))
        refused = await chat.client.post(place, json=body, headers=BEA)
        assert code(refused) == (422, "not_assigned")
        message = said(await chat.client.post(place, json=body, headers=ADMIN), 201)
        assert message["sender"]["id"] == "boss"

    async def test_by_a_back_end_for_its_agent(self, chat: Chat, key: dict[str, str]) -> None:
        visitor = await chat.accepted()
        place = f"{visitor.desk}/messages"
        assert code(await chat.client.post(place, json={"content": "Hi"}, headers=key)) == (
            400, "invalid",
        )  # fmt: skip
        body = {"content": "Hi", "agentId": "agent-123"}
        message = said(await chat.client.post(place, json=body, headers=key), 201)
        assert message["sender"] == {
            "role": "AGENT", "id": "agent-123", "displayName": "Ashik",
        }  # fmt: skip
        said(await chat.client.post(SESSIONS, headers=BEA))
        other = await chat.client.post(place, json=body | {"agentId": "bea"}, headers=key)
        assert code(other) == (422, "not_assigned")

    async def test_in_somebody_elses_name_is_403(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        body = {"content": "Hi", "agentId": "bea"}
        refused = await chat.client.post(f"{visitor.desk}/messages", json=body, headers=ASHIK)
        assert code(refused) == (403, "forbidden")

    async def test_into_a_closed_one_is_410(self, chat: Chat) -> None:
        visitor = await chat.closed()
        for agent in (ASHIK, BEA, ADMIN):
            refused = await chat.client.post(
                f"{visitor.desk}/messages", json={"content": "Hi"}, headers=agent
            )
            assert code(refused) == (410, "gone")
        history = said(await chat.client.get(f"{visitor.desk}/messages", headers=ASHIK))
        assert [each["content"] for each in history] == ["Hello!"]

    async def test_same_key_is_said_once(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        headers = ASHIK | {"Idempotency-Key": "1"}
        place = f"{visitor.desk}/messages"
        answers = [
            await chat.client.post(place, json={"content": "a"}, headers=headers) for _ in range(2)
        ]
        assert answers[0].text == answers[1].text
        said(await chat.client.post(f"{visitor.desk}/close", headers=ASHIK))
        assert (
            said(await chat.client.post(place, json={"content": "a"}, headers=headers), 201)
            == answers[0].json()
        )


class TestClose:
    async def test_with_a_reason(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        closed = said(
            await chat.client.post(
                f"{visitor.desk}/close", json={"reason": "resolved"}, headers=ASHIK
            )
        )
        assert (closed["status"], closed["closeReason"]) == ("CLOSED", "resolved")
        again = said(await chat.client.post(f"{visitor.desk}/close", headers=ASHIK))
        assert again["closeReason"] == "resolved"

    async def test_only_by_the_agent_who_has_it_or_an_admin(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        refused = await chat.client.post(f"{visitor.desk}/close", headers=BEA)
        assert code(refused) == (422, "not_assigned")
        closed = said(await chat.client.post(f"{visitor.desk}/close", headers=ADMIN))
        assert closed["status"] == "CLOSED"

    async def test_frees_the_agent(self, chat: Chat) -> None:
        visitors = [await chat.accepted() for _ in range(3)]
        said(await chat.client.post(f"{visitors[0].desk}/close", headers=ASHIK))
        await chat.accepted()


class TestTransfer:
    async def test_hands_on_with_a_note(self, chat: Chat, database: Database) -> None:
        async with database.begin() as session:
            await agents.add(session, "bea", "Bea")
        visitor = await chat.accepted()
        handed = said(
            await chat.client.post(
                f"{visitor.desk}/transfer",
                json={"toAgentId": "bea", "note": "She knows billing."},
                headers=ASHIK,
            )
        )
        assert handed["agent"] == {"id": "bea", "displayName": "Bea"}
        notes = said(await chat.client.get(f"{visitor.desk}/messages", headers=BEA))
        assert (notes[-1]["content"], notes[-1]["visibility"]) == (
            "She knows billing.", "private",
        )  # fmt: skip
        seen = await chat.client.get(f"{visitor.place}/messages", headers=visitor.headers)
        assert "billing" not in seen.text

    async def test_to_oneself_keeps_the_note(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        kept = said(
            await chat.client.post(
                f"{visitor.desk}/transfer",
                json={"toAgentId": "agent-123", "note": "Mine, after lunch."},
                headers=ASHIK,
            )
        )
        assert kept["agent"]["id"] == "agent-123"
        notes = said(await chat.client.get(f"{visitor.desk}/messages", headers=BEA))
        assert (notes[-1]["content"], notes[-1]["visibility"]) == ("Mine, after lunch.", "private")

    async def test_note_of_somebody_without_a_name_is_by_their_id(self, chat: Chat) -> None:
        said(await chat.client.post(SESSIONS, headers=BEA))
        nameless = as_(Role.AGENT, "nameless")
        visitor = await chat.accepted(nameless)
        body = {"toAgentId": "bea", "note": "She knows billing."}
        said(await chat.client.post(f"{visitor.desk}/transfer", json=body, headers=nameless))
        notes = said(await chat.client.get(f"{visitor.desk}/messages", headers=BEA))
        assert notes[-1]["sender"]["displayName"] == "nameless"

    async def test_refusals(self, chat: Chat, database: Database) -> None:
        async with database.begin() as session:
            await agents.add(session, "full", "Full")
            await agents.equip(session, "full", capacity=0)
        visitor = await chat.accepted()
        place = f"{visitor.desk}/transfer"
        for body, headers, refusal in (
            ({"toAgentId": "nobody"}, ASHIK, (422, "unknown_agent")),
            ({"toAgentId": "full"}, ASHIK, (409, "capacity")),
            ({"toAgentId": "full"}, BEA, (422, "not_assigned")),
            ({}, ASHIK, (400, "invalid")),
        ):
            refused = await chat.client.post(place, json=body, headers=headers)
            assert code(refused) == refusal

    async def test_of_a_closed_one_is_410(self, chat: Chat) -> None:
        visitor = await chat.closed()
        refused = await chat.client.post(
            f"{visitor.desk}/transfer", json={"toAgentId": "agent-123"}, headers=ASHIK
        )
        assert code(refused) == (410, "gone")


class TestRelease:
    async def test_goes_back_to_its_place(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        later = await chat.waiting()
        released = said(await chat.client.post(f"{visitor.desk}/release", headers=ASHIK))
        assert (released["status"], released["agent"]) == ("QUEUED", None)
        page = said(await chat.client.get(QUEUE, headers=ASHIK))
        assert [each["conversationId"] for each in page["content"]] == [
            visitor.conversation_id, later.conversation_id,
        ]  # fmt: skip

    async def test_refusals(self, chat: Chat) -> None:
        waiting = await chat.waiting()
        accepted = await chat.accepted()
        for visitor, headers, refusal in (
            (waiting, ASHIK, (422, "not_assigned")),
            (waiting, ADMIN, (422, "not_accepted")),
            (accepted, BEA, (422, "not_assigned")),
        ):
            refused = await chat.client.post(f"{visitor.desk}/release", headers=headers)
            assert code(refused) == refusal


class TestToTicket:
    async def test_is_shown_as_staff_see_it(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        await chat.reply(visitor, "Asks often.", visibility="private")
        headers = ASHIK | {"Idempotency-Key": "t"}
        place = f"{visitor.desk}/to-ticket"
        ticket = said(await chat.client.post(place, headers=headers))
        assert ticket["conversation_id"] == visitor.conversation_id
        assert ticket["deadlines"]
        assert "Asks often." in [entry["content"] for entry in ticket["timeline"]]
        assert chat.engine.nudged[-1].kind is ThreadKind.TICKET
        assert said(await chat.client.post(place, headers=headers)) == ticket
        other = await chat.client.post(place, json={"agentId": "agent-123"}, headers=headers)
        assert code(other) == (409, "idempotency_key_reused")

    async def test_only_by_the_agent_who_has_it(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        refused = await chat.client.post(f"{visitor.desk}/to-ticket", headers=BEA)
        assert code(refused) == (422, "not_assigned")


class TestList:
    async def test_holds_ones_own_newest_first(self, chat: Chat) -> None:
        own = [await chat.accepted() for _ in range(2)]
        await chat.accepted(BEA)
        await chat.waiting()
        answer = await chat.client.get(f"{LIST}?status=ASSIGNED,CONNECTED", headers=ASHIK)
        assert [each["id"] for each in said(answer)] == [
            each.conversation_id for each in reversed(own)
        ]
        assert answer.headers["X-Total-Count"] == "2"
        assert said(await chat.client.get(LIST, headers=ASHIK)) == answer.json()

    async def test_by_status(self, chat: Chat) -> None:
        closed = await chat.closed()
        await chat.accepted()
        for query in ("status=CLOSED", "status=CLOSED&status=QUEUED", "status=QUEUED,%20CLOSED"):
            found = said(await chat.client.get(f"{LIST}?{query}", headers=ASHIK))
            assert [each["id"] for each in found] == [closed.conversation_id]

    @pytest.mark.parametrize(
        "query", ["status=OPEN", "status=", "status=ASSIGNED,OPEN", "page=-1", "size=0"]
    )
    async def test_query_that_does_not_fit_is_400(self, chat: Chat, query: str) -> None:
        refused = await chat.client.get(f"{LIST}?{query}", headers=ASHIK)
        assert code(refused) == (400, "invalid")

    async def test_pages(self, chat: Chat) -> None:
        own = [await chat.accepted() for _ in range(3)]
        answer = await chat.client.get(f"{LIST}?page=1&size=2", headers=ASHIK)
        assert [each["id"] for each in said(answer)] == [own[0].conversation_id]
        assert answer.headers["X-Total-Count"] == "3"

    async def test_of_somebody_else(self, chat: Chat, key: dict[str, str]) -> None:
        await chat.accepted()
        place = f"{LIST}?agentId=agent-123"
        assert code(await chat.client.get(place, headers=BEA)) == (403, "forbidden")
        assert code(await chat.client.get(LIST, headers=key)) == (400, "invalid")
        for headers in (key, ADMIN, ASHIK):
            assert len(said(await chat.client.get(place, headers=headers))) == 1


class TestConversation:
    async def test_says_how_far_both_have_read(self, chat: Chat, database: Database) -> None:
        visitor = await chat.accepted()
        async with database.begin() as session:
            thread_id = UUID(visitor.conversation_id)
            await read_marks.set_mark(session, thread_id, Side.CUSTOMER, 1)
        for place, headers in ((visitor.desk, ASHIK), (visitor.place, visitor.headers)):
            shown = said(await chat.client.get(place, headers=headers))
            assert shown["readSeq"] == {"CUSTOMER": 1, "AGENT": 0}
            assert shown["id"] == visitor.conversation_id

    async def test_process_is_asked_of_the_workflow_as_long_as_it_runs(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        process = said(await chat.client.get(f"{visitor.desk}/process", headers=ASHIK))
        assert set(process) == {"status", "waitingFor", "alarms", "handledSeq"}
        said(await chat.client.post(f"{visitor.desk}/close", headers=ASHIK))
        chat.engine.works = False
        ended = said(await chat.client.get(f"{visitor.desk}/process", headers=ASHIK))
        assert (ended["status"], ended["waitingFor"]) == ("CLOSED", "closed")

    async def test_statuses_are_those_of_the_document(self, chat: Chat, database: Database) -> None:
        visitor = await chat.accepted()
        async with database.begin() as session:
            row = await conversations.find(session, UUID(visitor.conversation_id))
        assert row.conversation.status == ConversationStatus.ASSIGNED
