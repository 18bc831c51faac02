"""The API process: what it says at start."""

from pydantic import SecretStr
from structlog.testing import capture_logs

from holdfast.settings import Settings
from workers.api import api_config, warn_of


def warnings(*, trust: bool) -> list[str]:
    settings = Settings().model_copy(
        update={"jwt_secret": SecretStr("s" * 32), "livechat_trust_fingerprint": trust}
    )
    with capture_logs() as logged:
        warn_of(api_config(settings))
    return [entry["event"] for entry in logged if entry["log_level"] == "warning"]


def test_trusted_fingerprints_are_said_loudly() -> None:
    assert warnings(trust=True) == ["FINGERPRINTS_ARE_TRUSTED"]


def test_nothing_is_said_otherwise() -> None:
    assert warnings(trust=False) == []
