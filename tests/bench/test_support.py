import pytest

from bench import support
from bench.errors import CannotMeasure


def test_without_a_server_it_is_said_how_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "INSTALLED", False)
    with pytest.raises(CannotMeasure, match="apt-get install prosody"):
        support.require_prosody()
