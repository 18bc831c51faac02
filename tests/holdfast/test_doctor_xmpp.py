"""What `holdfast doctor` says of the XMPP account, on a real server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.account import Account
from bridge.stream import Stream
from holdfast.ports import free_port
from tests.bridge.prosody import COMPONENT, HOST, INSTALLED, SECRET, Prosody
from tests.holdfast.running import House

pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs Prosody; tests/install brings it")


@pytest_asyncio.fixture
async def prosody(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prosody]:
    async with Prosody(tmp_path_factory.mktemp("prosody")) as server:
        yield server


@pytest_asyncio.fixture
async def support(prosody: Prosody) -> Account:
    return await prosody.register("support")


def settings_of(account: Account) -> dict[str, str]:
    user, _, server = account.bare_jid.partition("@")
    return {
        "XMPP_USERNAME": user,
        "XMPP_SERVER": server,
        "XMPP_PASSWORD": account.password.get_secret_value(),
        "XMPP_HOST": account.host,
        "XMPP_PORT": str(account.port),
        "XMPP_TLS": "none",
    }


async def lines(folder: Path, **settings: str) -> list[str]:
    """What is said of the account, whatever else is missing."""
    house = House.in_folder(folder)
    found = await asyncio.to_thread(house.run, "doctor", **settings)
    assert found.stderr == ""
    return [line for line in found.stdout.splitlines() if line.split()[1] == "xmpp"]


async def test_says_nothing_without_an_account(tmp_path: Path) -> None:
    assert await lines(tmp_path) == []


async def test_says_that_all_is_well(support: Account, tmp_path: Path) -> None:
    [line] = await lines(tmp_path, **settings_of(support))
    assert line.startswith("ok ")
    assert "support@localhost can log in" in line
    assert "It takes agents' files of at most 1 MB." in line


async def test_says_that_the_server_takes_no_files(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Which is no failure."""
    folder = tmp_path_factory.mktemp("no-files")
    async with Prosody(folder, without=("http_file_share",)) as server:
        [line] = await lines(tmp_path, **settings_of(await server.register("support")))
    assert line.startswith("ok ")
    assert "takes no files (XEP-0363)" in line


async def test_leaves_the_bridge_connected(support: Account, tmp_path: Path) -> None:
    async with Stream.open(support) as bridge:
        bridge.show_presence()
        [line] = await lines(tmp_path, **settings_of(support))
        assert line.startswith("ok ")
        await bridge.ping()


async def test_says_what_the_server_lacks(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    async with Prosody(tmp_path_factory.mktemp("bare"), without=("mam", "smacks")) as server:
        account = await server.register("support")
        [line] = await lines(tmp_path, **settings_of(account))
    assert line.startswith("FAIL ")
    assert line.count("degraded: ") == 3
    assert all(name in line for name in ("XEP-0313", "XEP-0359", "XEP-0198"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"XMPP_PASSWORD": "other"}, "refuses the login"),
        ({"XMPP_PORT": str(free_port())}, "Check XMPP_HOST"),
        ({"XMPP_HOST": "example.org"}, "XMPP_TLS=none"),
    ],
)
async def test_says_why_it_cannot_log_in(
    support: Account, tmp_path: Path, wrong: dict[str, str], words: str
) -> None:
    [line] = await lines(tmp_path, **settings_of(support) | wrong)
    assert line.startswith("FAIL ")
    assert words in line
    assert support.password.get_secret_value() not in line.split()


class TestComponent:
    def settings(self, port: int) -> dict[str, str]:
        return {
            "XMPP_MODE": "component",
            "XMPP_USERNAME": "help",
            "XMPP_SERVER": COMPONENT,
            "XMPP_PASSWORD": SECRET,
            "XMPP_HOST": HOST,
            "XMPP_PORT": str(port),
        }

    async def test_tries_the_port(self, prosody: Prosody, tmp_path: Path) -> None:
        [line] = await lines(tmp_path, **self.settings(prosody.component_port))
        assert line.startswith("ok ")
        assert "only the bridge finds out" in line

    async def test_says_that_nobody_is_there(self, tmp_path: Path) -> None:
        [line] = await lines(tmp_path, **self.settings(free_port()))
        assert line.startswith("FAIL ")
        assert "Check XMPP_HOST" in line
