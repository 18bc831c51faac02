"""What `holdfast doctor` says of channels, files and pauses."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr, ValidationError

from channels import standard_webhooks
from holdfast import files_look, pauses_look
from holdfast.channels_look import looks
from holdfast.errors import SetupError
from holdfast.ports import free_port
from holdfast.settings import Settings
from store import pacing
from store.database import Database
from tests.channels import dovecot, graph_server, smtp_server, x_server
from tests.channels.dovecot import Dovecot
from tests.channels.graph_server import GraphServer
from tests.channels.smtp_server import MailServer
from tests.channels.x_server import XServer
from tests.holdfast.running import House

NUMBER, PAGE = "100", "200"
META = {"META_APP_SECRET": "app-secret", "META_VERIFY_TOKEN": "a word"}
TOKENS = (graph_server.TOKEN, x_server.TOKEN, "secret", "wrong", "app-secret", dovecot.PASSWORD)


async def said(channel: str, settings: dict[str, str]) -> str:
    """Of a channel with which all is well."""
    return await looks(Settings.model_validate(settings))[channel]()


async def complaint(channel: str, settings: dict[str, str]) -> str:
    with pytest.raises(SetupError) as raised:
        await said(channel, settings)
    told = str(raised.value)
    assert not any(token in told.split() for token in TOKENS)
    return told


@pytest_asyncio.fixture
async def graph() -> AsyncIterator[GraphServer]:
    async with graph_server.graph_server() as server:
        server.accounts[NUMBER] = {"display_phone_number": "+1 555 0100", "verified_name": "Acme"}
        server.accounts[PAGE] = {"name": "Acme's page"}
        yield server


@pytest_asyncio.fixture
async def x() -> AsyncIterator[XServer]:
    async with x_server.x_server() as server:
        yield server


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[MailServer]:
    async with smtp_server.mail_server(login=True) as server:
        yield server


def whatsapp(graph: GraphServer, token: str = graph_server.TOKEN) -> dict[str, str]:
    return {
        "WHATSAPP_PHONE_NUMBER_ID": NUMBER,
        "WHATSAPP_TOKEN": token,
        "GRAPH_API_URL": graph.url,
    }


def messenger(graph: GraphServer) -> dict[str, str]:
    return {
        "MESSENGER_PAGE_ID": PAGE,
        "MESSENGER_PAGE_TOKEN": graph_server.TOKEN,
        "GRAPH_API_URL": graph.url,
    }


def on_x(server: XServer, token: str = x_server.TOKEN) -> dict[str, str]:
    return {
        "X_CONSUMER_SECRET": "consumer-secret",
        "X_ACCOUNT_ID": x_server.ACCOUNT,
        "X_ACCESS_TOKEN": token,
        "X_API_URL": server.url,
    }


def mail(**urls: str) -> dict[str, str]:
    return {"EMAIL_ADDRESS": "help@example.org"} | urls


def by_smtp(server: MailServer, password: str = "secret") -> dict[str, str]:
    url = f"smtp+none://help:{password}@{smtp_server.HOST}:{server.port}"
    return mail(SMTP_URL=url, EMAIL_WEBHOOK_SECRET=standard_webhooks.new_secret())


class TestWhichAreLookedAt:
    def test_none_without_settings(self) -> None:
        assert looks(Settings()) == {}

    def test_secrets_of_meta_are_of_both_its_channels(self) -> None:
        assert list(looks(Settings.model_validate(META))) == ["whatsapp", "messenger"]

    def test_an_account_is_of_one(self) -> None:
        settings = {"MESSENGER_PAGE_ID": PAGE, "MESSENGER_PAGE_TOKEN": "a"}
        assert list(looks(Settings.model_validate(settings))) == ["messenger"]

    def test_x_and_mail(self) -> None:
        settings = mail() | {"X_CONSUMER_SECRET": "a"}
        assert list(looks(Settings.model_validate(settings))) == ["x", "e-mail"]


class TestMeta:
    async def test_whatsapp_is_well(self, graph: GraphServer) -> None:
        well = await said("whatsapp", META | whatsapp(graph))
        assert well == "hears and answers as Acme (+1 555 0100)"
        assert graph.violations == []

    async def test_messenger_is_well(self, graph: GraphServer) -> None:
        assert (
            await said("messenger", META | messenger(graph)) == "hears and answers as Acme's page"
        )

    async def test_hearing_alone_is_well(self) -> None:
        assert await said("whatsapp", META) == (
            "hears, but cannot answer: set WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_TOKEN"
        )

    async def test_answering_alone_is_not(self, graph: GraphServer) -> None:
        assert await complaint("whatsapp", whatsapp(graph)) == (
            "answers as Acme (+1 555 0100), but hears nothing: set META_APP_SECRET"
        )

    async def test_webhook_that_cannot_be_verified_is_said(self, graph: GraphServer) -> None:
        told = await complaint("whatsapp", whatsapp(graph) | {"META_APP_SECRET": "app-secret"})
        assert "set META_VERIFY_TOKEN" in told

    async def test_refused_token_is_said(self, graph: GraphServer) -> None:
        told = await complaint("whatsapp", META | whatsapp(graph, token="wrong"))
        assert told.startswith("hears, but cannot answer: ")
        assert "refuses our access token" in told

    async def test_unknown_account_is_said(self, graph: GraphServer) -> None:
        del graph.accounts[NUMBER]
        assert "does not know our account" in await complaint("whatsapp", META | whatsapp(graph))

    async def test_another_account_is_said(self, graph: GraphServer) -> None:
        graph.accounts[NUMBER]["id"] = "another"
        assert "GRAPH_API_URL" in await complaint("whatsapp", META | whatsapp(graph))

    async def test_trouble_there_is_said(self, graph: GraphServer) -> None:
        graph.down_until = datetime.now(UTC) + timedelta(hours=1)
        assert "cannot answer" in await complaint("messenger", META | messenger(graph))

    async def test_nobody_there_is_said(self, graph: GraphServer) -> None:
        await graph.vanish()
        assert "not reachable" in await complaint("messenger", META | messenger(graph))

    async def test_both_halves_are_said(self, graph: GraphServer) -> None:
        told = await complaint("whatsapp", whatsapp(graph, token="wrong"))
        assert told.startswith("hears nothing: set META_APP_SECRET; cannot answer: ")


class TestX:
    async def test_is_well(self, x: XServer) -> None:
        assert await said("x", on_x(x)) == "hears and answers as @support"

    async def test_hearing_alone_is_well(self) -> None:
        told = await said("x", {"X_CONSUMER_SECRET": "a"})
        assert told == "hears, but cannot answer: set X_ACCOUNT_ID and X_ACCESS_TOKEN"

    async def test_answering_alone_is_not(self, x: XServer) -> None:
        settings = on_x(x)
        del settings["X_CONSUMER_SECRET"]
        assert (await complaint("x", settings)).endswith("hears nothing: set X_CONSUMER_SECRET")

    async def test_refused_token_is_said(self, x: XServer) -> None:
        assert "X_ACCESS_TOKEN" in await complaint("x", on_x(x, token="wrong"))

    async def test_token_of_another_account_is_said(self, x: XServer) -> None:
        told = await complaint("x", on_x(x) | {"X_ACCOUNT_ID": "7"})
        assert f"for account {x_server.ACCOUNT}" in told

    async def test_trouble_there_is_said(self, x: XServer) -> None:
        x.down_until = datetime.now(UTC) + timedelta(hours=1)
        assert "HTTP status 503" in await complaint("x", on_x(x))

    async def test_nobody_there_is_said(self, x: XServer) -> None:
        await x.vanish()
        assert "X_API_URL" in await complaint("x", on_x(x))


class TestMail:
    async def test_is_well(self, smtp: MailServer) -> None:
        told = await said("e-mail", by_smtp(smtp))
        assert told == "hears by /api/webhooks/email and answers as help@example.org by 127.0.0.1"
        assert smtp.logins == [b"help"]
        assert smtp.raw == []

    async def test_hearing_alone_is_well(self) -> None:
        settings = mail(EMAIL_WEBHOOK_SECRET=standard_webhooks.new_secret())
        assert (await said("e-mail", settings)).endswith("but cannot answer: set SMTP_URL")

    async def test_address_alone_is_not(self) -> None:
        told = await complaint("e-mail", mail())
        assert told.startswith("hears nothing: set IMAP_URL or EMAIL_WEBHOOK_SECRET; ")

    async def test_refused_password_is_said(self, smtp: MailServer) -> None:
        told = await complaint("e-mail", by_smtp(smtp, password="wrong"))
        assert "refuses our password (535)" in told

    @pytest.mark.parametrize("scheme", ["smtp", "smtps"])
    async def test_missing_encryption_is_said(self, smtp: MailServer, scheme: str) -> None:
        settings = by_smtp(smtp)
        settings["SMTP_URL"] = settings["SMTP_URL"].replace("smtp+none", scheme)
        assert "no encryption" in await complaint("e-mail", settings)

    async def test_nobody_there_is_said(self) -> None:
        settings = mail(SMTP_URL=f"smtp+none://127.0.0.1:{free_port()}")
        assert "not reachable. Look at SMTP_URL" in await complaint("e-mail", settings)

    async def test_one_way_of_hearing_that_is_broken_is_said(self) -> None:
        secret, url = standard_webhooks.new_secret(), f"imap+none://127.0.0.1:{free_port()}"
        told = await complaint("e-mail", mail(EMAIL_WEBHOOK_SECRET=secret, IMAP_URL=url))
        assert "hears by /api/webhooks/email alone: The mailbox is not reachable" in told

    async def test_secret_that_is_none_is_said(self) -> None:
        assert "whsec_" in await complaint("e-mail", mail(EMAIL_WEBHOOK_SECRET="secret"))

    @pytest.mark.parametrize("password", ["hush/1", "hush[1", "hush\u2100"])
    def test_password_that_is_not_encoded_is_not_shown(self, password: str) -> None:
        settings = mail(SMTP_URL=f"smtps://help:{password}@mail.example.org")
        with pytest.raises(ValidationError, match="percent-encoded") as raised:
            Settings.model_validate(settings)
        assert "hush" not in str(raised.value)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mailbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dovecot]:
    async with Dovecot(tmp_path_factory.mktemp("dovecot")) as running:
        yield running


@pytest.mark.skipif(dovecot.missing() is not None, reason=str(dovecot.missing()))
class TestMailbox:
    async def test_is_well(self, mailbox: Dovecot) -> None:
        told = await said("e-mail", mail(IMAP_URL=mailbox.url()))
        assert told.startswith("hears by INBOX at 127.0.0.1, but cannot answer")

    async def test_refused_password_is_said(self, mailbox: Dovecot) -> None:
        url = mailbox.url().replace(f":{dovecot.PASSWORD}@", ":wrong@")
        assert "IMAP_URL" in await complaint("e-mail", mail(IMAP_URL=url))

    async def test_missing_folder_is_said(self, mailbox: Dovecot) -> None:
        url = mailbox.url(folder="Nowhere")
        told = await complaint("e-mail", mail(IMAP_URL=url))
        assert told.startswith("hears nothing: The mailbox")
        assert "IMAP_URL" in told

    async def test_nobody_there_is_said(self) -> None:
        url = f"imap+none://a:b@127.0.0.1:{free_port()}"
        assert "not reachable. Look at IMAP_URL" in await complaint("e-mail", mail(IMAP_URL=url))


class TestFiles:
    async def test_place_that_keeps_them_is_well(self, tmp_path: Path) -> None:
        assert await files_look.look_at(Settings(data=tmp_path)) == (
            f"are kept in {tmp_path / 'attachments'}"
        )
        assert list((tmp_path / "attachments").iterdir()) == []

    async def test_place_that_does_not_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "attachments").write_text("in the way")
        with pytest.raises(SetupError, match="HOLDFAST_DATA"):
            await files_look.look_at(Settings(data=tmp_path))


class TestPauses:
    async def test_none(self, database_url: str, database: Database) -> None:
        settings = Settings(database_url=SecretStr(database_url))
        assert await pauses_look.look_at(settings) == "none is paused"

    async def test_paused_channel_is_said_with_its_reason(
        self, database_url: str, database: Database
    ) -> None:
        async with database.begin() as session:
            at = datetime.now(UTC)
            await pacing.pause(session, "whatsapp-100", at, "Meta refuses our access token.")
        with pytest.raises(SetupError, match=r"1 paused.*whatsapp-100: Meta refuses"):
            await pauses_look.look_at(Settings(database_url=SecretStr(database_url)))


async def test_doctor_shows_them_and_no_secret(graph: GraphServer, tmp_path: Path) -> None:
    house = House.in_folder(tmp_path)
    settings = META | whatsapp(graph) | {"X_CONSUMER_SECRET": "consumer-secret"}
    found = await asyncio.to_thread(house.run, "doctor", **settings)
    assert found.stderr == ""
    lines = found.stdout.splitlines()
    shown = {line.split()[1]: line for line in lines}
    assert [each for each in shown if each in ("whatsapp", "messenger", "x", "e-mail")] == [
        *("whatsapp", "messenger", "x")
    ]
    assert all(shown[each].startswith("ok ") for each in ("whatsapp", "messenger", "x"))
    assert "app-secret" not in found.stdout
    assert graph_server.TOKEN not in found.stdout
