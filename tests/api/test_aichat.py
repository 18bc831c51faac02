"""Seed 002: agents ask the assistant, and it answers from what is really there."""

import asyncio
from dataclasses import replace
from typing import cast
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from api.app import create_app
from api.config import ApiConfig
from api.services import Helpers, Services
from assistant.desk import DeskAssistant
from assistant.desk_answers import HELP
from domain.ids import article_id_text
from domain.knowledge import Audience, Writing
from domain.models import TicketStatus
from domain.principals import Role, Scope
from store import agents, articles, tickets
from store.ai_tables import AiInteraction, AiResponse
from store.database import Database
from tests.api.conftest import PretendedEngine, client_of
from tests.api.people import as_, bearer, with_key
from tests.store import chatting
from tests.store.writing import number_of, open_ticket, write
from workflows.engine import Engine

ADA = as_(Role.AGENT, "ada", name="Ada")
BO = as_(Role.ADMIN, "bo", name="Bo")
TROUBLE = "I'm experiencing technical difficulties. Please try again."


async def ask(
    client: httpx.AsyncClient, message: str, who: dict[str, str] = ADA, **more: object
) -> httpx.Response:
    body = {"message": message, **more}
    return await client.post("/api/aichat/ask", json=body, headers=who)


async def reply_to(client: httpx.AsyncClient, message: str, who: dict[str, str] = ADA) -> str:
    answer = await ask(client, message, who)
    assert answer.status_code == 200, answer.text
    reply: str = answer.json()["reply"]
    return reply


async def history(
    client: httpx.AsyncClient, who: dict[str, str] = ADA, **params: int
) -> list[dict[str, object]]:
    answer = await client.get("/api/aichat/history", params=params, headers=who)
    assert answer.status_code == 200
    found: list[dict[str, object]] = answer.json()
    return found


async def assign(database: Database, ticket_id: UUID, agent_id: str, status: TicketStatus) -> None:
    async with database.begin() as session:
        state, thread = await tickets.load(session, ticket_id)
        taken = {"agent_id": agent_id, "status": status, "version": state.version + 1}
        await tickets.record(session, thread, state.model_copy(update=taken), [])


class Says:
    def __init__(self, said: str) -> None:
        self.said = said
        self.asked: list[tuple[str, str]] = []

    async def introduce(self, question: str, told: str) -> str:
        self.asked.append((question, told))
        return self.said


class Fails:
    async def introduce(self, question: str, told: str) -> str:
        raise ConnectionError("no model")


def speak_for_it(app: FastAPI, assistant: DeskAssistant) -> None:
    services: Services = app.state.services
    app.state.services = replace(services, helpers=Helpers(desk=assistant))


class TestFigures:
    async def test_my_tickets_are_those_assigned_to_me(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        mine, done, others, nobodys = [await open_ticket(database) for _ in range(4)]
        await assign(database, mine, "ada", TicketStatus.OPEN)
        await assign(database, done, "ada", TicketStatus.RESOLVED)
        await assign(database, others, "bo", TicketStatus.PENDING_CUSTOMER)
        number = await number_of(database, mine)
        assert await reply_to(client, "Show my open tickets") == (
            f"You have 1 open ticket:\n\n🎫 **#{number}**: Help (open, medium)"
        )
        assert f"#{await number_of(database, nobodys)}" not in await reply_to(client, "my tickets")

    async def test_who_has_none_is_told_so(self, client: httpx.AsyncClient) -> None:
        assert await reply_to(client, "open tickets") == "You have no open tickets."

    async def test_a_long_list_is_cut_and_says_so(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        for _ in range(12):
            await assign(database, await open_ticket(database), "ada", TicketStatus.NEW)
        lines = (await reply_to(client, "what's on my plate?")).splitlines()
        assert lines[0] == "You have 12 open tickets:"
        assert len(lines) == 2 + 10 + 1
        assert lines[-1] == "… and 2 more"

    async def test_compliance_without_data_is_not_invented(self, client: httpx.AsyncClient) -> None:
        expected = "📊 **SLA Compliance**: No tickets were due this month yet."
        assert await reply_to(client, "SLA compliance?") == expected

    async def test_compliance_comes_from_the_log(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        answered, _ = await open_ticket(database), await open_ticket(database)
        await write(database, answered)
        reply = await reply_to(client, "what is our sla today?")
        assert reply.startswith("📊 **SLA Compliance**: 100% today\n")
        assert "First response: 1 in time, 0 late, 1 not due yet" in reply
        assert "Resolution: 0 in time, 0 late, 2 not due yet" in reply

    async def test_the_team_is_told_of(self, client: httpx.AsyncClient, database: Database) -> None:
        await reply_to(client, "help", as_(Role.AGENT, "agent-1", name="Cy"))
        await write(database, await open_ticket(database))
        reply = await reply_to(client, "who answered most?")
        assert "🏆 **Cy** answered most: 1 reply" in reply
        assert "Ada" not in reply

    async def test_of_a_large_team_some_are_told_of_and_how_many_more_there_are(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        for number in range(23):
            async with database.begin() as session:
                await agents.add(session, f"agent-{number}", f"Agent {number}")
            ticket_id = await open_ticket(database)
            await assign(database, ticket_id, f"agent-{number}", TicketStatus.OPEN)
        lines = (await reply_to(client, "team performance")).splitlines()
        assert len(lines) == 1 + 20 + 1
        assert lines[-1] == "… and 3 more"

    async def test_the_system_is_looked_at(
        self, client: httpx.AsyncClient, database: Database, engine: PretendedEngine
    ) -> None:
        await open_ticket(database)
        await chatting.new_conversation(database)
        engine.works = False
        reply = await reply_to(client, "is everything up?")
        assert "🔴 **System status**" in reply
        assert "❌ Workflow engine (Temporal)" in reply
        assert "• 1 open ticket\n• 1 conversation waiting in the queue, the longest for" in reply
        assert reply.endswith("• 0 messages waiting to be delivered")

    async def test_what_is_not_understood_is_answered_with_help(
        self, client: httpx.AsyncClient
    ) -> None:
        assert await reply_to(client, "help") == HELP
        assert await reply_to(client, "🤷") == HELP


class TestArticles:
    @pytest.mark.parametrize("audience", list(Audience))
    async def test_what_an_article_says_is_told_with_its_title(
        self, client: httpx.AsyncClient, database: Database, audience: Audience
    ) -> None:
        body = "Open the portal, choose Refund, and enter the order's number."
        writing = Writing("Refunding an order", body, (), audience, "en")
        async with database.begin() as session:
            article = await articles.create(session, writing)
        answer = (await ask(client, "How do I refund an order?")).json()
        assert answer["reply"] == f"{body}\n\n📖 Refunding an order"
        source = {"id": article_id_text(article.id), "title": "Refunding an order"}
        assert answer["sources"] == [source]

    async def test_an_article_about_something_else_is_none(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        writing = Writing("Refunding an order", "Open the portal.", (), Audience.PUBLIC, "en")
        async with database.begin() as session:
            await articles.create(session, writing)
        answer = (await ask(client, "Why do elephants order purple umbrellas?")).json()
        assert answer == {"reply": HELP, "sources": []}


class TestKeeping:
    async def test_question_and_reply_are_kept(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        await ask(client, "help", page="/dashboard")
        await ask(client, "sla")
        async with database.begin() as session:
            questions = (await session.scalars(select(AiInteraction))).all()
            replies = (await session.scalars(select(AiResponse))).all()
        asked = [("ada", "help", "/dashboard"), ("ada", "sla", "/")]
        assert sorted((q.user_id, q.message, q.page) for q in questions) == asked
        assert sorted((r.user_id, r.user_message, r.page) for r in replies) == asked
        assert {r.ai_response for r in replies if r.user_message == "help"} == {HELP}

    async def test_questions_asked_at_once_are_all_kept(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        answers = await asyncio.gather(*(ask(client, f"help {n}") for n in range(30)))
        assert {answer.status_code for answer in answers} == {200}
        async with database.begin() as session:
            for table in (AiInteraction, AiResponse):
                assert await session.scalar(select(func.count()).select_from(table)) == 30

    async def test_history_is_in_order_and_in_parts(self, client: httpx.AsyncClient) -> None:
        for n in range(5):
            await ask(client, f"question {n}")
        whole = await history(client)
        assert [each["message"] for each in whole] == [f"question {n}" for n in range(5)]
        assert set(whole[0]) == {"id", "message", "reply", "page", "created_at"}
        newest = await history(client, limit=2)
        assert newest == whole[3:]
        assert await history(client, limit=2, before=cast("int", newest[0]["id"])) == whole[1:3]

    async def test_nobody_sees_what_another_asked(self, client: httpx.AsyncClient) -> None:
        await ask(client, "help", ADA)
        await ask(client, "sla", BO)
        assert [each["message"] for each in await history(client, ADA)] == ["help"]
        assert [each["message"] for each in await history(client, BO)] == ["sla"]


class TestIntroductions:
    async def test_a_model_introduces_the_facts(
        self, app: FastAPI, client: httpx.AsyncClient
    ) -> None:
        model = Says("This is your work, Ada.")
        speak_for_it(app, model)
        told = "You have no open tickets."
        assert await reply_to(client, "my tickets") == f"This is your work, Ada.\n\n{told}"
        assert model.asked == [("my tickets", told)]

    @pytest.mark.parametrize("question", ["help", "how do I merge tickets?"])
    async def test_without_facts_no_model_is_asked(
        self, app: FastAPI, client: httpx.AsyncClient, question: str
    ) -> None:
        model = Says("Press the button.")
        speak_for_it(app, model)
        assert await reply_to(client, question) == HELP
        assert model.asked == []

    @pytest.mark.parametrize(
        "model", [Fails(), Says(""), Says("Ten!"), Says("\ud800"), Says("a\0b")]
    )
    async def test_a_model_that_fails_is_stood_in_for(
        self, app: FastAPI, client: httpx.AsyncClient, model: DeskAssistant
    ) -> None:
        speak_for_it(app, model)
        assert await reply_to(client, "my tickets") == "You have no open tickets."


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path"), [("POST", "/api/aichat/ask"), ("GET", "/api/aichat/history")]
    )
    async def test_who_may_not_call_is_told_in_the_words_of_the_family(
        self, client: httpx.AsyncClient, database: Database, method: str, path: str
    ) -> None:
        key = await with_key(database, Scope.TICKETS)
        for headers, status, sentence in (
            ({}, 401, "Access token required"),
            (bearer("nonsense"), 403, "Invalid token"),
            (as_(Role.CUSTOMER), 403, "Insufficient permissions"),
            (as_(Role.VISITOR), 403, "Insufficient permissions"),
            (key, 403, "Insufficient permissions"),
        ):
            answer = await client.request(method, path, headers=headers, content=b"{")
            assert (answer.status_code, answer.json()) == (status, {"error": sentence})

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"{}",
            b'{"message": ""}',
            b'{"message": " "}',
            b'{"message": 1}',
            b'{"message": "a\\u0000"}',
            b'{"message": "\\ud800"}',
            b'{"message": "help", "page": "\\u0000"}',
            b'{"message": "help", "page": 1e999}',
            b'{"message": "' + b"a" * 4_001 + b'"}',
            b'{"message": "help", "page": "' + b"a" * 256 + b'"}',
            b'{"message": ' + b"[" * 300,
        ],
    )
    async def test_a_body_that_does_not_fit_is_refused(
        self, client: httpx.AsyncClient, body: bytes
    ) -> None:
        headers = ADA | {"Content-Type": "application/json"}
        answer = await client.post("/api/aichat/ask", content=body, headers=headers)
        assert answer.status_code == 422
        assert set(answer.json()) == {"error"}
        assert await history(client) == []

    async def test_the_longest_that_fits_is_answered(self, client: httpx.AsyncClient) -> None:
        assert (await ask(client, "a" * 4_000, page="b" * 255)).status_code == 200
        assert (await ask(client, "help", page=None)).status_code == 200

    @pytest.mark.parametrize(
        "params", [{"limit": 0}, {"limit": 101}, {"before": 0}, {"before": 2**63}, {"before": "x"}]
    )
    async def test_a_part_of_history_that_makes_no_sense_is_refused(
        self, client: httpx.AsyncClient, params: dict[str, str]
    ) -> None:
        answer = await client.get("/api/aichat/history", params=params, headers=ADA)
        assert answer.status_code == 422
        assert set(answer.json()) == {"error"}

    async def test_without_a_database_trouble_is_told_as_a_reply(self, config: ApiConfig) -> None:
        nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
        app = create_app(config, nowhere, cast("Engine", PretendedEngine()))
        async with client_of(app) as client:
            answer = await ask(client, "help")
        assert answer.status_code == 503
        assert answer.json()["reply"] == TROUBLE
        assert set(answer.json()) == {"reply", "error"}
        assert int(answer.headers["Retry-After"]) > 0

    async def test_a_database_that_goes_away_between_is_told_the_same(
        self, client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await reply_to(client, "help")
        nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
        monkeypatch.setattr(database, "begin", nowhere.begin)
        answer = await ask(client, "help")
        assert answer.status_code == 503
        assert answer.json()["reply"] == TROUBLE
