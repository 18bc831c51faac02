from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.account import Account, Tls
from bridge.errors import InvalidAccount


def account(host: str, tls: Tls = "starttls", ca_file: Path | None = None) -> Account:
    return Account(
        bare_jid="support@example.org",
        password=SecretStr("a secret"),
        host=host,
        tls=tls,
        ca_file=ca_file,
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_may_be_in_the_clear_on_this_machine(host: str) -> None:
    assert account(host, "none").tls == "none"


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "localhost.example.org"])
def test_is_never_in_the_clear_elsewhere(host: str) -> None:
    with pytest.raises(InvalidAccount, match="XMPP_TLS"):
        account(host, "none")


def test_wants_the_ca_file_that_it_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidAccount, match="XMPP_CA_FILE"):
        account("example.org", ca_file=tmp_path / "missing.pem")


def test_knows_its_names() -> None:
    assert account("example.org").full_jid == "support@example.org/holdfast"
    assert account("10.0.0.1").domain == "example.org"


def test_does_not_show_its_password() -> None:
    assert "a secret" not in repr(account("example.org"))
