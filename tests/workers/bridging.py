"""`holdfast bridge` as a process of its own, with its account on a real server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from bridge.account import Account
from tests.bridge.waiting import until
from tests.holdfast.running import House

_STARTS_WITHIN = 30.0


class BridgeProcess:
    """Made by `running`; `kill` and what it `has_said` are the test's."""

    def __init__(self, process: Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @classmethod
    @contextmanager
    def running(cls, folder: Path, account: Account, **settings: str) -> Iterator["BridgeProcess"]:
        """As long as the block lasts; then it is told to end."""
        folder.mkdir()
        house = House(folder, _settings(account) | settings)
        output = folder / "bridge.log"
        with output.open("wb") as file:
            process = house.start("bridge", output=file.fileno())
        try:
            yield cls(process, output)
        finally:
            _end(process)

    def has_said(self, event: str) -> int:
        """How many times."""
        return self._output.read_text().count(event)

    async def until_said(self, event: str, times: int = 1, within: float = _STARTS_WITHIN) -> None:
        await until(lambda: self.has_said(event) >= times, within)

    def end(self) -> None:
        """As a supervisor does; return when it has."""
        _end(self._process)

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.wait()


def _end(process: Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=20)


def _settings(account: Account) -> dict[str, str]:
    username, _, server = account.bare_jid.partition("@")
    return {
        "JWT_SECRET": os.urandom(32).hex(),
        "XMPP_USERNAME": username,
        "XMPP_SERVER": server,
        "XMPP_PASSWORD": account.password.get_secret_value(),
        "XMPP_HOST": account.host,
        "XMPP_PORT": str(account.port),
        "XMPP_TLS": account.tls,
    }
