from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.assistance import ASSISTED
from domain.models import Priority
from domain.principals import Role
from holdfast.errors import InvalidSetting
from holdfast.settings import Settings, load_settings, variable
from holdfast.settings_page import settings_page

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing set, and no `.env` in the working folder."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.chdir(tmp_path)


class TestReading:
    def test_needs_nothing(self) -> None:
        settings = load_settings()
        assert (settings.host, settings.ports) == ("127.0.0.1", (8000,))
        assert settings.database_url is None

    def test_takes_several_ports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOLDFAST_PORT", "8000, 8383,9094")
        assert load_settings().ports == (8000, 8383, 9094)

    def test_counts_empty_as_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "")
        assert load_settings().database_url is None

    def test_maps_groups_to_roles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OIDC_GROUPS", '{"support": "agent", "leads": "admin"}')
        assert load_settings().oidc_groups == {"support": Role.AGENT, "leads": Role.ADMIN}

    def test_prefers_the_environment_to_the_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        # Set, so that what the file adds to the environment is taken back after the test.
        monkeypatch.setenv("LOG_FORMAT", "")
        monkeypatch.delenv("LOG_FORMAT")
        monkeypatch.setenv("LOG_LEVEL", "WARNING")
        (tmp_path / ".env").write_text("LOG_LEVEL=debug\nLOG_FORMAT=json\n")
        settings = load_settings()
        assert (settings.log_level, settings.log_format) == ("warning", "json")

    def test_takes_field_names_in_code(self) -> None:
        settings = Settings(database_url=SecretStr("postgresql://a/b"))
        assert settings.dsn == "postgresql://a/b"

    def test_makes_the_deadline_policy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SLA_FIRST_RESPONSE_URGENT", "5m")
        monkeypatch.setenv("TICKET_AUTO_CLOSE", "2")
        policy = load_settings().deadline_policy()
        assert policy.first_response[Priority.URGENT] == timedelta(minutes=5)
        assert policy.resolution[Priority.LOW] == timedelta(days=3)
        assert policy.auto_close == timedelta(seconds=2)


class TestRefusing:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("HOLDFAST_PORT", "http"),
            ("HOLDFAST_PORT", "8000,8000"),
            ("HOLDFAST_PORT", "70000"),
            ("HOLDFAST_TEMPORAL_PORT", "0"),
            ("DATABASE_URL", "mysql://u:hunter2@host/db"),
            ("REDIS_URL", "hunter2"),
            ("JWT_EXPIRES_IN", "hunter2"),
            ("FRONTEND_URL", "desk.example.com"),
            ("FRONTEND_URL", "https://desk.example.com/hunter2"),
            ("OIDC_ISSUER", "http://issuer.example.com"),
            ("OIDC_GROUPS", "hunter2"),
            ("OIDC_GROUPS", '["support"]'),
            ("OIDC_GROUPS", '{"hunter2": "service"}'),
            ("OIDC_GROUPS", '{"hunter2": "customer"}'),
            ("RATE_LIMIT_CALLER", "0"),
            ("LOG_LEVEL", "loud"),
        ],
    )
    def test_names_the_variable_and_not_its_value(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(InvalidSetting) as refusal:
            load_settings()
        said = str(refusal.value)
        assert said.startswith(f"{name} ")
        assert "\n" not in said
        assert "hunter2" not in said

    def test_names_all_that_are_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOLDFAST_PORT", "http")
        monkeypatch.setenv("TICKET_AUTO_CLOSE", "soon")
        with pytest.raises(InvalidSetting) as refusal:
            load_settings()
        lines = str(refusal.value).splitlines()
        assert [line.split()[0] for line in lines] == ["HOLDFAST_PORT", "TICKET_AUTO_CLOSE"]

    def test_takes_no_issuer_without_an_audience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OIDC_ISSUER", "https://issuer.example.com")
        with pytest.raises(InvalidSetting, match=r"^OIDC_ISSUER is set, so OIDC_AUDIENCE"):
            load_settings()

    def test_shows_no_secret(self) -> None:
        url = SecretStr("postgresql://u:hunter2@h")
        settings = Settings(jwt_secret=SecretStr("hunter2"), database_url=url)
        assert "hunter2" not in repr(settings)


def test_page_says_none_where_nothing_is_set() -> None:
    row = next(line for line in settings_page().splitlines() if "XMPP_BLOCKED_DOMAINS" in line)
    assert row.split(" | ")[1] == "none"


def test_page_is_up_to_date() -> None:
    """`python -m holdfast.settings_page > docs/settings.md` writes it anew."""
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()


@pytest.mark.parametrize(
    ("said", "channels"),
    [
        ("all", set(ASSISTED)),
        ("none", set()),
        ("web, livechat", {"web", "livechat"}),
        ("XMPP", {"xmpp"}),
    ],
)
def test_assistant_is_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, said: str, channels: set[str]
) -> None:
    monkeypatch.setenv("ASSIST_CHANNELS", said)
    assert load_settings().assist_channels == channels


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ASSIST_CHANNELS", "web,fax"), ("ASSIST_CHANNELS", ","), ("AI_BASE_URL", "localhost:11434")],
)
def test_what_the_assistant_cannot_be_told_is_said(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting, match=variable):
        load_settings()
