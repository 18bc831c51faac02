"""`holdfast up` with everything real: both servers, the API and the worker."""

import http.client
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.holdfast.running import House, Up, alive


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One stack for all tests here that leave it running."""
    running = House.in_folder(tmp_path_factory.mktemp("house")).up()
    yield running
    running.end(signal.SIGTERM)


def get(up: Up, path: str, token: str | None = None) -> tuple[int, dict[str, object]]:
    port = int(up.house.settings["HOLDFAST_PORT"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def until_ready(up: Up) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if get(up, "/api/ready")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        assert time.monotonic() < deadline, "not ready again"
        time.sleep(0.1)


class TestWelcome:
    def test_says_what_runs_where(self, up: Up) -> None:
        settings = up.house.settings
        assert f"http://127.0.0.1:{settings['HOLDFAST_PORT']}/api/docs" in up.printed
        assert f"http://127.0.0.1:{settings['HOLDFAST_TEMPORAL_UI_PORT']}" in up.printed
        assert get(up, "/api/ready")[0] == 200

    def test_curl_creates_a_ticket(self, up: Up) -> None:
        command = up.printed[up.printed.index("curl") :].split("\n\n")[0]
        answer = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=True, timeout=20
        )
        assert json.loads(answer.stdout)["status"] == "new"

    def test_names_commands_that_talk(self, up: Up) -> None:
        commands = re.findall(r"^  (\S+ chat (?:customer|agent))$", up.printed, re.MULTILINE)
        assert len(commands) == 2
        for command in commands:
            program, *arguments = command.split()
            assert (up.house.folder / program).exists()
            assert up.house.run(*arguments, "--help").returncode == 0


class TestCommandsBesideIt:
    def test_key_create_prints_a_key_that_opens_the_api(self, up: Up) -> None:
        made = up.house.run("key", "create", "--name", "ci", "--scope", "tickets")
        assert re.fullmatch(r"sk_[\w-]{40,}\n", made.stdout)
        assert get(up, "/api/tickets/", made.stdout.strip())[0] == 200

    def test_revoked_key_opens_nothing(self, up: Up) -> None:
        key = up.house.run("key", "create", "--name", "old", "--scope", "tickets").stdout.strip()
        listed = up.house.run("key", "list").stdout
        (key_id,) = [line.split()[0] for line in listed.splitlines() if line.endswith("  old")]
        assert up.house.run("key", "revoke", key_id).returncode == 0
        deadline = time.monotonic() + 5
        while get(up, "/api/tickets/", key)[0] != 401:
            assert time.monotonic() < deadline
        again = up.house.run("key", "revoke", key_id)
        assert again.returncode == 1
        assert "revoked before" in again.stderr

    def test_token_prints_a_jwt_that_opens_the_api(self, up: Up) -> None:
        options = ["--role", "agent", "--sub", "ann", "--name", "Ann", "--email", "ann@example.com"]
        made = up.house.run("token", *options, JWT_EXPIRES_IN="90s").stdout
        assert made.count(".") == 2
        claims = jwt.decode(made.strip(), options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == 90
        assert (claims["sub"], claims["role"]) == ("ann", "agent")
        assert (claims["name"], claims["email"]) == ("Ann", "ann@example.com")
        assert get(up, "/api/tickets/", made.strip())[0] == 200

    def test_agent_add_makes_an_agent_once(self, up: Up) -> None:
        options = ["--id", "bob", "--name", "Bob", "--email", "bob@example.com"]
        assert up.house.run("agent", "add", *options).returncode == 0
        assert "already" in up.house.run("agent", "add", *options).stderr

    def test_migrate_finds_nothing_to_do(self, up: Up) -> None:
        assert up.house.run("migrate").returncode == 0

    def test_doctor_finds_all_well(self, up: Up) -> None:
        found = up.house.run("doctor")
        assert found.returncode == 0, found.stdout
        parts = [line.split()[1] for line in found.stdout.splitlines()]
        assert parts == [
            *("python", "settings", "stack", "secret", "database"),
            *("assistant", "files", "temporal", "worker", "api"),
        ]

    def test_second_up_on_the_same_data_is_refused(self, up: Up) -> None:
        second = up.house.run("up")
        assert second.returncode == 1
        assert "already running" in second.stderr
        assert get(up, "/api/ready")[0] == 200

    def test_second_up_beside_it_is_refused_its_port(self, up: Up, tmp_path: Path) -> None:
        second = up.house.run("up", HOLDFAST_DATA=str(tmp_path / "other"))
        assert second.returncode == 1
        assert f"Port {up.house.settings['HOLDFAST_PORT']} is taken" in second.stderr


class TestKill9:
    @pytest.mark.parametrize("name", ["postgres", "temporal", "api", "worker"])
    def test_child_comes_back(self, up: Up, name: str) -> None:
        others = {other: mark for other, mark in up.marks().items() if other != name}
        up.kill(name)
        until_ready(up)
        assert {other: up.marks()[other] for other in others} == others

    def test_all_children_at_once_come_back(self, up: Up) -> None:
        for name in up.marks():
            up.kill(name)
        until_ready(up)

    def test_of_up_itself_leaves_nothing_and_loses_nothing(self, tmp_path: Path) -> None:
        house = House.in_folder(tmp_path)
        first = house.up()
        key = first.printed.split("Admin key")[1].split()[0]
        marks = first.marks()
        first.end(signal.SIGKILL)
        assert not alive(marks)
        second = house.up()
        try:
            assert get(second, "/api/tickets/", key)[0] == 200
            assert key in second.printed
        finally:
            second.end(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_all_of_it_within_seconds(tmp_path: Path, number: signal.Signals) -> None:
    up = House.in_folder(tmp_path).up()
    marks = up.marks()
    assert set(marks) == {"postgres", "temporal", "api", "worker"}
    started = time.monotonic()
    assert up.end(number) == 0
    assert time.monotonic() - started < 10
    assert not alive(marks, patience=0)
    for name in ("HOLDFAST_PORT", "HOLDFAST_TEMPORAL_PORT", "HOLDFAST_TEMPORAL_UI_PORT"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(up.house.settings[name])))


def test_impossible_account_is_said_before_anything_starts(tmp_path: Path) -> None:
    refused = House.in_folder(tmp_path).run(
        "up",
        XMPP_USERNAME="support",
        XMPP_SERVER="example.org",
        XMPP_PASSWORD="secret",
        XMPP_TLS="none",
    )
    assert refused.returncode == 1
    assert "XMPP_TLS=none" in refused.stderr
    assert "Starting" not in refused.stdout
