"""Mail that is posted to us: who may, and what becomes of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from api.config import ApiConfig
from channels import standard_webhooks
from channels.mail import MAX_MAIL
from domain.principals import Role
from tests.api.people import as_
from tests.channels import mails

SECRET = standard_webhooks.new_secret()
ADDRESS = "Support@holdfast.example"
AGENT = as_(Role.AGENT, "ada", name="Ada")
PATH = "/api/webhooks/email"


@pytest.fixture
def config(config: ApiConfig) -> ApiConfig:
    return config.model_copy(
        update={"email_address": ADDRESS, "email_webhook_secret": SecretStr(SECRET)}
    )


def signed(
    body: bytes, *, secret: str = SECRET, at: datetime | None = None, event_id: str = "msg_1"
) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "Content-Type": "message/rfc822",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standard_webhooks.sign(secret, event_id, at, body),
    }


async def post(client: httpx.AsyncClient, body: bytes = mails.PLAIN) -> httpx.Response:
    return await client.post(PATH, content=body, headers=signed(body))


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/api/tickets/", headers=AGENT)).json()[
        "tickets"
    ]
    return found


class TestWhatIsPosted:
    async def test_a_mail_becomes_a_ticket(self, client: httpx.AsyncClient) -> None:
        answer = await post(client)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        (ticket,) = await listed(client)
        assert (ticket["subject"], ticket["source"]["channel"]) == (
            "Grüße: it does not print",
            "email",
        )

    async def test_the_same_mail_again_is_answered_the_same(
        self, client: httpx.AsyncClient
    ) -> None:
        for _ in range(2):
            assert (await post(client)).status_code == 200
        assert len(await listed(client)) == 1

    async def test_files_can_be_downloaded(self, client: httpx.AsyncClient) -> None:
        await post(client, mails.WITH_INLINE_IMAGE)
        (ticket,) = await listed(client)
        messages = await client.get(f"/api/tickets/{ticket['ticket_id']}/messages", headers=AGENT)
        (file,) = messages.json()[0]["attachments"]
        assert (file["name"], file["size"]) == ("screen.png", 8)
        found = await client.get(f"/api/attachments/{file['id']}", headers=AGENT)
        assert found.content == b"\x89PNG\r\n\x1a\n"

    async def test_our_own_mail_is_taken_and_ignored(self, client: httpx.AsyncClient) -> None:
        own = f"From: {ADDRESS.upper()}\r\nMessage-ID: <1@x>\r\n\r\nhi".encode()
        assert (await post(client, own)).status_code == 200
        assert await listed(client) == []

    @pytest.mark.parametrize("body", [b"", b"{}", b"\xff\0", b"From: nobody\r\n\r\nhi"])
    async def test_what_is_no_mail_is_422(self, client: httpx.AsyncClient, body: bytes) -> None:
        answer = await post(client, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


class TestSignatures:
    async def test_one_good_signature_among_several_is_enough(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = signed(mails.PLAIN)
        headers["webhook-signature"] = f"v1,AAAA v2,x {headers['webhook-signature']}"
        assert (await client.post(PATH, content=mails.PLAIN, headers=headers)).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            signed(mails.PLAIN, secret=standard_webhooks.new_secret()),
            signed(mails.PLAIN + b"!"),
            signed(mails.PLAIN, at=datetime.now(UTC) - timedelta(minutes=6)),
            signed(mails.PLAIN, at=datetime.now(UTC) + timedelta(minutes=20)),
            signed(mails.PLAIN) | {"webhook-id": "msg_2"},
            signed(mails.PLAIN) | {"webhook-timestamp": "now"},
            signed(mails.PLAIN) | {"webhook-timestamp": "9" * 400},
            signed(mails.PLAIN) | {"webhook-signature": "v1,"},
            signed(mails.PLAIN) | {"webhook-signature": "v1,\xe9"},
        ],
    )
    async def test_a_bad_signature_is_403_and_nothing_is_stored(
        self, client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await client.post(PATH, content=mails.PLAIN, headers=raw)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_signed")
        assert await listed(client) == []

    async def test_unsigned_bodies_are_not_even_read(self, client: httpx.AsyncClient) -> None:
        read = []

        async def body() -> AsyncIterator[bytes]:
            read.append(True)
            yield b"x"

        assert (await client.post(PATH, content=body())).status_code == 403
        assert read == []

    async def test_more_than_35_megabytes_are_413(self, client: httpx.AsyncClient) -> None:
        body = b"x" * (MAX_MAIL + 1)
        answer = await client.post(PATH, content=body, headers=signed(b""))
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("missing", "setting"),
    [
        ({"email_webhook_secret": None}, "EMAIL_WEBHOOK_SECRET"),
        ({"email_webhook_secret": SecretStr("whsec_")}, "EMAIL_WEBHOOK_SECRET"),
        ({"email_webhook_secret": SecretStr("whsec_no base64")}, "EMAIL_WEBHOOK_SECRET"),
        ({"email_address": None}, "EMAIL_ADDRESS"),
    ],
)
class TestNotSetUp:
    @pytest.fixture
    def config(self, config: ApiConfig, missing: dict[str, object]) -> ApiConfig:
        return config.model_copy(update=missing)

    async def test_it_is_503_and_says_what_is_missing(
        self, client: httpx.AsyncClient, setting: str
    ) -> None:
        answer = await post(client)
        assert answer.status_code == 503
        assert setting in answer.json()["detail"]
