"""`docker-compose.yml` as far as it can be checked without Docker: that it says what we read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.channel_settings import ChannelSettings
from holdfast.settings import Settings, variable

ROOT = Path(__file__).parents[2]
OURS = {variable(name) for name in Settings.model_fields}
TEMPORALS = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
S3S = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"}
OF_IMAGE = {
    "postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"},
    "temporalio/auto-setup": {
        *("DB", "DB_PORT", "POSTGRES_SEEDS", "POSTGRES_USER", "POSTGRES_PWD"),
        *("BIND_ON_IP", "TEMPORAL_BROADCAST_ADDRESS"),
    },
    "temporalio/ui": {"TEMPORAL_ADDRESS", "TEMPORAL_DISABLE_WRITE_ACTIONS"},
    "redis": set(),
    "holdfast": OURS | TEMPORALS | S3S,
}
"""The variables that each image reads."""
XMPPS = {each for each in OURS if each.startswith("XMPP_")} - {"XMPP_CA_FILE", "XMPP_RESOURCE"}
CHANNELS = {variable(name) for name in ChannelSettings.model_fields} - {"RATE_LIMIT_WEBHOOK"}
ASSISTANTS = {each for each in OURS if each.startswith(("AI_", "ASSIST_"))}
"""A file has to be mounted too, and the resource is nobody's choice here."""

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_real_setting(name: str) -> None:
    service = SERVICES[name]
    image = service["image"].partition(":")[0]
    assert set(service.get("environment", {})) <= OF_IMAGE[image]


def test_asks_for_the_secret_and_has_no_other_unknowns() -> None:
    asked = re.findall(r"\$\{(\w+)(:?[-?])", TEXT)
    optional = {"POSTGRES_PASSWORD"} | XMPPS | ASSISTANTS | CHANNELS | S3S
    assert set(asked) == {("JWT_SECRET", ":?"), *((name, ":-") for name in optional)}


@pytest.mark.parametrize("name", ["api", "worker", "bridge"])
def test_what_is_set_in_dotenv_is_set_for_all(name: str) -> None:
    told = SERVICES[name]["environment"]
    assert {each for each in told if each.startswith("XMPP_")} == XMPPS
    assert told.keys() >= ASSISTANTS | CHANNELS | S3S


def test_everything_that_answers_has_a_health_check() -> None:
    answering = {"postgres", "temporal", "redis", "api"}
    assert {name for name in SERVICES if "healthcheck" in SERVICES[name]} == answering


def test_waits_only_for_what_there_is() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed]


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        assert "build" in service or re.search(r":\d", service["image"]), name


def test_ports_are_reachable_from_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_settings_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["api"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", value))
    settings = Settings()
    assert settings.host == "0.0.0.0"
    assert settings.dsn == "postgresql://holdfast:holdfast@postgres:5432/holdfast"
