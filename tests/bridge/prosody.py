"""A real Prosody on ports of its own, which can die and come back with what it had."""

import asyncio
import os
import pwd
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from bridge.account import Account, ComponentAccount
from holdfast.embedded import account as system
from holdfast.ports import free_port
from holdfast.processes import Command
from holdfast.programs import Program

HOST = "127.0.0.1"
DOMAIN = "localhost"
COMPONENT = "support.localhost"
SECRET = "s3cret"  # of a component that lives for one test
INSTALLED = shutil.which("prosody") is not None

_MODULES = (
    *("roster", "saslauth", "disco", "ping", "time", "version", "posix", "presence", "message"),
    *("iq", "register_ibr", "smacks", "mam", "carbons", "blocklist", "pep", "csi_simple"),
)
_CONFIG = """
run_as_root = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}/certs"
plugin_paths = {{}}
installer_plugin_path = "{folder}/plugins"
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{folder}/prosody.log" }} }}
interfaces = {{ "127.0.0.1" }}
use_ipv6 = false
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {direct_tls_ports} }}
component_interfaces = {{ "127.0.0.1" }}
component_ports = {{ {component_port} }}
http_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {http_port} }}
https_ports = {{}}
modules_enabled = {{ {modules} }}
modules_disabled = {{ "s2s" }}
allow_registration = true
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = {tls}
allow_unencrypted_plain_auth = true
c2s_stanza_size_limit = {largest_stanza}
archive_expires_after = "never"
storage_archive_item_limit = 1000000
max_archive_query_results = 100
default_archive_policy = true
smacks_hibernation_time = 600
smacks_max_queue_size = 500
VirtualHost "localhost"
Component "support.localhost"
  component_secret = "s3cret"
  component_conflict_resolve = "kick_old"
"""
_FILES = """
Component "upload.localhost" "http_file_share"
  http_host = "127.0.0.1"
  http_file_share_size_limit = {largest_file}
  http_file_share_daily_quota = {daily_quota}
"""


class Prosody:
    """async with Prosody(tmp_path) as server:
               account = await server.register("support")

    `without` leaves modules out. `tls` wants encryption; the domain's certificate and key have to
    lie in `folder/certs` then, and `direct_tls_port` is served too. `largest_stanza`,
    `largest_file` and `daily_quota` in bytes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        without: tuple[str, ...] = (),
        tls: bool = False,
        largest_stanza: int = 256 * 1024,
        largest_file: int = 1024 * 1024,
        daily_quota: int = 100 * 1024 * 1024,
    ) -> None:
        self.port = free_port()
        self.direct_tls_port = free_port()
        self.component_port = free_port()
        self.http_port = free_port()
        self._folder = folder
        self._modules = {*_MODULES, *(["tls"] if tls else [])} - {*without}
        self._tls = tls
        self._largest_stanza = largest_stanza
        self._files = (
            ""
            if "http_file_share" in without
            else _FILES.format(largest_file=largest_file, daily_quota=daily_quota)
        )
        self._owner = _owner()
        command = Command(
            name="prosody",
            argv=["prosody", "-F", "--config", str(self._config)],
            output=folder / "output.log",
            user=self._owner.name,
        )
        self._program = Program(command, ready=self._answers, patience=20)

    async def __aenter__(self) -> Self:
        self._config.write_text(self._settings())
        (self._folder / "data").mkdir(exist_ok=True)
        self._owner.own(self._folder)
        for path in self._folder.rglob("*"):
            os.chown(path, self._owner.uid, self._owner.gid)
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Also after a stop or a kill, with the same data and ports."""
        await self._program.start()

    async def stop(self) -> None:
        await self._program.stop()

    async def kill(self) -> None:
        """As `kill -9` does."""
        assert self._program.pid is not None
        os.kill(self._program.pid, signal.SIGKILL)
        await self._program.wait()

    async def register(self, user: str, password: str = "pw") -> Account:
        """Make an account; that of a user who has one gets this password."""
        process = await asyncio.create_subprocess_exec(
            *("prosodyctl", "--config", str(self._config), "register", user, DOMAIN, password),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            user=self._owner.name,
            group=self._owner.name,
            extra_groups=[] if self._owner.name else None,
            cwd=self._folder,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return self.account(user, password)

    def account(self, user: str, password: str = "pw", *, port: int | None = None) -> Account:
        """To log in with, without encryption; `port` to reach it by another way."""
        return Account(
            bare_jid=f"{user}@{DOMAIN}",
            password=SecretStr(password),
            host=HOST,
            port=port or self.port,
            tls="none",
        )

    def component(self, *, port: int | None = None, secret: str = SECRET) -> ComponentAccount:
        return ComponentAccount(
            bare_jid=f"help@{COMPONENT}",
            secret=SecretStr(secret),
            host=HOST,
            port=port or self.component_port,
        )

    @property
    def _config(self) -> Path:
        return self._folder / "prosody.cfg.lua"

    def _settings(self) -> str:
        settings = _CONFIG.format(
            folder=self._folder,
            port=self.port,
            direct_tls_ports=self.direct_tls_port if self._tls else "",
            component_port=self.component_port,
            http_port=self.http_port,
            modules=", ".join(f'"{name}"' for name in sorted(self._modules)),
            tls=str(self._tls).lower(),
            largest_stanza=self._largest_stanza,
        )
        return settings + self._files

    async def _answers(self) -> bool:
        try:
            for port in (
                *(self.port, self.component_port),
                *([self.http_port] if self._files else []),
            ):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
        except OSError:
            return False
        return True


def _owner() -> system.Account:
    """Prosody's own system user, if we may become it: it does not like to be root."""
    if os.geteuid() != 0:
        return system.Account(None, os.geteuid(), os.getegid())
    entry = pwd.getpwnam("prosody")
    return system.Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
