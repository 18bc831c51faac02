"""What the command line says when something is missing: one sentence, and no traceback."""

import socket
import subprocess
from pathlib import Path

import pytest

from holdfast.ports import free_port
from tests.holdfast.running import House

SECRET = "s" * 32


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House.in_folder(tmp_path)


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command leaves."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("holdfast: ")
    return line


class TestUp:
    @pytest.mark.parametrize(
        "setting", ["HOLDFAST_PORT", "HOLDFAST_TEMPORAL_PORT", "HOLDFAST_TEMPORAL_UI_PORT"]
    )
    def test_names_the_taken_port(self, house: House, setting: str) -> None:
        with socket.create_server(("127.0.0.1", int(house.settings[setting]))):
            said = complaint(house.run("up"))
        assert f"Port {house.settings[setting]} is taken" in said
        assert f"set {setting}" in said

    def test_wants_a_secret_with_a_database(self, house: House) -> None:
        said = complaint(house.run("up", DATABASE_URL="postgresql://127.0.0.1:1/x"))
        assert "JWT_SECRET is not set" in said

    def test_says_when_the_database_does_not_answer(self, house: House) -> None:
        url = f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/x"
        said = complaint(
            house.run("up", DATABASE_URL=url, JWT_SECRET=SECRET, TEMPORAL_ADDRESS="127.0.0.1:1")
        )
        assert "database does not answer" in said
        assert "DATABASE_URL" in said
        assert "hunter2" not in said

    def test_says_when_temporal_does_not_answer(self, house: House) -> None:
        address = f"127.0.0.1:{free_port()}"
        said = complaint(house.run("up", TEMPORAL_ADDRESS=address))
        assert f"Temporal does not answer at {address}. Check TEMPORAL_ADDRESS" in said

    def test_says_when_the_data_are_of_another_version(self, house: House) -> None:
        data = house.folder / ".holdfast" / "postgres"
        data.mkdir(parents=True)
        (data / "PG_VERSION").write_text("19\n")
        assert "holds data of PostgreSQL 19" in complaint(house.run("up"))

    def test_names_the_setting_that_cannot_be_read(self, house: House) -> None:
        assert "HOLDFAST_PORT must be" in complaint(house.run("up", HOLDFAST_PORT="web"))

    def test_names_a_profile_that_temporal_does_not_have(self, house: House) -> None:
        assert "Profile 'no-such'" in complaint(house.run("up", TEMPORAL_PROFILE="no-such"))

    def test_reads_dotenv(self, house: House) -> None:
        (house.folder / ".env").write_text("TEMPORAL_PROFILE=from-dotenv\n")
        assert "Profile 'from-dotenv'" in complaint(house.run("up"))


class TestWithoutAStack:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["key", "list"],
            ["key", "create", "--name", "x", "--scope", "tickets"],
            ["agent", "add", "--id", "a", "--name", "A"],
            ["migrate"],
            ["api"],
            ["worker"],
        ],
        ids=" ".join,
    )
    def test_says_that_none_is_running(self, house: House, arguments: list[str]) -> None:
        said = complaint(house.run(*arguments))
        assert "No Holdfast is running" in said
        assert "`holdfast up`" in said

    def test_token_needs_a_secret_only(self, house: House) -> None:
        assert "JWT_SECRET" in complaint(house.run("token", "--role", "admin", "--sub", "a"))
        made = house.run("token", "--role", "admin", "--sub", "a", JWT_SECRET=SECRET)
        assert made.returncode == 0
        assert made.stderr == ""

    def test_token_warns_of_a_short_secret(self, house: House) -> None:
        made = house.run("token", "--role", "admin", "--sub", "a", JWT_SECRET="short")
        assert made.stdout.count("\n") == 1
        assert "shorter than 32 bytes" in made.stderr

    def test_services_get_keys_and_no_tokens(self, house: House) -> None:
        made = house.run("token", "--role", "service", "--sub", "a", JWT_SECRET=SECRET)
        assert "holdfast key create" in complaint(made)

    def test_doctor_says_what_is_missing(self, house: House) -> None:
        url = f"postgresql://127.0.0.1:{free_port()}/x"
        address = f"127.0.0.1:{free_port()}"
        found = house.run("doctor", DATABASE_URL=url, TEMPORAL_ADDRESS=address)
        assert found.returncode == 1
        assert found.stderr == ""
        failing = [line.split()[1] for line in found.stdout.splitlines() if line[:4] == "FAIL"]
        assert failing == ["secret", "database", "temporal"]


class TestApi:
    def test_names_the_taken_port(self, house: House) -> None:
        port = house.settings["HOLDFAST_PORT"]
        url = "postgresql://127.0.0.1:1/x"
        with socket.create_server(("127.0.0.1", int(port))):
            said = complaint(house.run("api", DATABASE_URL=url, JWT_SECRET=SECRET))
        assert f"Port {port} is taken" in said


async def test_old_schema_is_told_to_migrate(house: House, empty_database_url: str) -> None:
    said = complaint(house.run("key", "list", DATABASE_URL=empty_database_url))
    assert "holdfast migrate" in said
