"""`holdfast webhook send`: bodies like the platforms', with signatures that hold."""

import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import JsonValue, SecretStr
from pydantic_core import from_json

from channels import messenger, meta, standard_webhooks, whatsapp, x
from channels.heard import Said, Sender
from holdfast.ports import free_port
from tests.holdfast.running import House

SECRET = SecretStr("an app's secret")
MAIL_SECRET = SecretStr("whsec_c2l4dGVlbiBieXRlcyBvciBtb3Jl")
SECRETS = {
    "META_APP_SECRET": SECRET.get_secret_value(),
    "X_CONSUMER_SECRET": SECRET.get_secret_value(),
    "EMAIL_WEBHOOK_SECRET": MAIL_SECRET.get_secret_value(),
    "EMAIL_ADDRESS": "help@example.org",
}
TEXT = "Where is my bicycle? 🚲"


class Desk:
    """Takes calls in a thread of its own, where a Holdfast would listen."""

    def __init__(self) -> None:
        self.status = 200
        self.answer = b'{"status": "ok"}'
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                desk.calls.append((self.path, headers, body))
                self.send_response(desk.status)
                self.send_header("Content-Length", str(len(desk.answer)))
                self.end_headers()
                self.wfile.write(desk.answer)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def only_call(self) -> tuple[str, dict[str, str], bytes]:
        (call,) = self.calls
        return call


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def house(tmp_path: Path, desk: Desk) -> House:
    return House(tmp_path, {"HOLDFAST_PORT": str(desk.port), **SECRETS})


def send(house: House, platform: str, *more: str, **settings: str) -> str:
    """The one line that it says."""
    result = house.run("webhook", "send", platform, "--text", TEXT, *more, **settings)
    assert (result.returncode, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    return line


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("holdfast: ")


def is_now(at: datetime | None) -> bool:
    return at is not None and abs(datetime.now(UTC) - at) < timedelta(minutes=1)


def said(heard: object) -> Said:
    assert isinstance(heard, list)
    (only,) = heard
    assert isinstance(only, Said)
    assert only.text == TEXT
    assert is_now(only.at)
    return only


class TestWhatsApp:
    def test_is_heard_by_the_channel(self, house: House, desk: Desk) -> None:
        line = send(
            house, "whatsapp", "--name", "Ada", WHATSAPP_PHONE_NUMBER_ID="77", WHATSAPP_TOKEN="t"
        )
        path, headers, body = desk.only_call()
        assert path == "/api/webhooks/whatsapp"
        assert meta.signature_holds(SECRET, body, headers["x-hub-signature-256"])
        heard = said(whatsapp.parse(from_json(body)))
        assert (heard.account, heard.sender.address, heard.sender.name) == (
            "77",
            "+15550100",
            "Ada",
        )
        assert "GET /api/tickets/?channel=whatsapp" in line

    def test_tells_the_answer(self, house: House) -> None:
        line = send(house, "whatsapp", "--from", "+491701234567")
        assert line.startswith('200 {"status": "ok"} to 1 message by WhatsApp from +491701234567.')


class TestMessenger:
    def test_is_heard_by_the_channel(self, house: House, desk: Desk) -> None:
        line = send(
            house, "messenger", "--from", "42", MESSENGER_PAGE_ID="77", MESSENGER_PAGE_TOKEN="t"
        )
        path, headers, body = desk.only_call()
        assert path == "/api/webhooks/facebook"
        assert meta.signature_holds(SECRET, body, headers["x-hub-signature-256"])
        heard = said(messenger.parse(from_json(body)))
        assert (heard.account, heard.sender.address) == ("77", "42")
        assert "channel=facebook" in line


class TestX:
    def test_is_heard_by_the_channel(self, house: House, desk: Desk) -> None:
        send(
            house, "twitter", "--from", "42", "--name", "Ada", X_ACCOUNT_ID="77", X_ACCESS_TOKEN="t"
        )
        path, headers, body = desk.only_call()
        assert path == "/api/webhooks/twitter"
        assert x.signature_holds(SECRET, body, headers[x.SIGNATURE])
        heard = said(x.parse(from_json(body)))
        assert (heard.account, heard.sender) == ("77", Sender("42", ("42",), "Ada"))


class TestEmail:
    def test_is_mail_with_a_standard_signature(self, house: House, desk: Desk) -> None:
        send(house, "email", "--from", "ada@example.com", "--subject", "Größe", "--name", "Ada B.")
        path, headers, body = desk.only_call()
        assert (path, headers["content-type"]) == ("/api/webhooks/email", "message/rfc822")
        assert standard_webhooks.holds([MAIL_SECRET], headers, body)
        mail = message_from_bytes(body, policy=default)
        assert (mail["From"], mail["To"]) == ('"Ada B." <ada@example.com>', "help@example.org")
        assert mail["Subject"] == "Größe"
        assert mail["Message-ID"].endswith("@mail.example.com>")
        assert is_now(mail["Date"].datetime)
        assert mail.get_content().strip() == TEXT

    def test_says_when_the_secret_is_none(self, house: House) -> None:
        result = house.run("webhook", "send", "email", "--text", "a", EMAIL_WEBHOOK_SECRET="?")
        assert "EMAIL_WEBHOOK_SECRET" in complaint(result)


def ids(desk: Desk) -> list[JsonValue]:
    return [from_json(body)["direct_message_events"][0]["id"] for _, _, body in desk.calls]


class TestSeveral:
    def test_have_ids_of_their_own(self, house: House, desk: Desk) -> None:
        assert "each of 3 messages" in send(house, "twitter", "--count", "3")
        assert len(set(ids(desk))) == 3

    def test_can_be_named(self, house: House, desk: Desk) -> None:
        send(house, "twitter", "--id", "77", "--count", "2")
        assert ids(desk) == ["77", "77-2"]

    def test_end_with_the_first_that_is_refused(self, house: House, desk: Desk) -> None:
        desk.status, desk.answer = 403, b'{"detail": "The signature\nis wrong"}'
        result = house.run("webhook", "send", "twitter", "--text", "a", "--count", "3")
        said = complaint(result)
        assert 'answers 403 {"detail": "The signature is wrong"} to message 1.' in said
        assert len(desk.calls) == 1


class TestComplaints:
    @pytest.mark.parametrize(
        ("platform", "setting"),
        [
            ("whatsapp", "META_APP_SECRET"),
            ("messenger", "META_APP_SECRET"),
            ("twitter", "X_CONSUMER_SECRET"),
            ("email", "EMAIL_WEBHOOK_SECRET"),
        ],
    )
    def test_name_the_setting_that_is_missing(
        self, house: House, desk: Desk, platform: str, setting: str
    ) -> None:
        result = house.run("webhook", "send", platform, "--text", "a", **{setting: ""})
        assert complaint(result).startswith(f"{setting} is not set.")
        assert desk.calls == []

    @pytest.mark.parametrize(
        ("arguments", "complains"),
        [
            (["whatsapp", "--from", "ada"], "WhatsApp knows nobody like that"),
            (["twitter", "--from", "@ada"], "X knows nobody like that"),
            (["email", "--from", "a@b@c"], "E-mail knows nobody like that"),
            (["twitter", "--text", " "], "--text must not be blank"),
            (["twitter", "--text", "\udcff"], "--text must not contain lone surrogates"),
            (["twitter", "--name", ""], "--name must not be blank"),
            (["twitter", "--url", "desk.example.org"], "--url must be a web address"),
        ],
    )
    def test_say_what_makes_no_sense(
        self, house: House, arguments: list[str], complains: str
    ) -> None:
        platform, *more = arguments
        result = house.run("webhook", "send", platform, "--text", "a", *more)
        assert complains in complaint(result)

    def test_say_that_nobody_answers(self, house: House) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        result = house.run("webhook", "send", "twitter", "--text", "a", "--url", url)
        assert complaint(result).startswith(f"Nothing answers at {url}/api/webhooks/twitter.")
