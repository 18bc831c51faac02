"""A real Dovecot on a port of its own, with a mailbox for whoever logs in with `pw`."""

import asyncio
import grp
import imaplib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from holdfast.ports import free_port
from holdfast.processes import Command
from holdfast.programs import Program

HOST = "127.0.0.1"
PASSWORD = "pw"
_DOVECOT = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {base}
log_path = {folder}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_uid = {user}
mail_gid = {group}
mail_location = maildir:{folder}/mail/%u
maildir_very_dirty_syncs = no
disable_plaintext_auth = no
ssl = no
auth_failure_delay = 0
{extra}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home/%u
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


def missing() -> str | None:
    """Why these tests cannot run here."""
    if _DOVECOT is None:
        return "needs Dovecot: install dovecot-imapd"
    told = subprocess.run([_DOVECOT, "--version"], capture_output=True, text=True, check=False)
    return None if told.stdout.startswith("2.3") else "Dovecot is not 2.3"


class Dovecot:
    """async with Dovecot(tmp_path) as server: …"""

    def __init__(self, folder: Path, *, idle: bool = True) -> None:
        self.port = free_port()
        self._folder = folder
        self._idle = idle
        # Its sockets lie there, and their paths have to be short.
        self._base = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))
        self._owner = pwd.getpwnam("dovecot") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._config = folder / "dovecot.conf"
        command = Command(
            name="dovecot",
            argv=[_DOVECOT or "dovecot", "-F", "-c", str(self._config)],
            output=folder / "output.log",
            user=self._owner.pw_name if os.geteuid() == 0 else None,
        )
        self._program = Program(command, ready=self._answers, patience=20)

    async def __aenter__(self) -> Self:
        capability = "" if self._idle else "imap_capability = IMAP4rev1 LITERAL+"
        self._config.write_text(
            _CONFIG.format(
                folder=self._folder,
                base=self._base,
                port=self.port,
                user=self._owner.pw_name,
                group=grp.getgrgid(self._owner.pw_gid).gr_name,
                password=PASSWORD,
                extra=capability,
            )
        )
        for name in ("mail", "home"):
            (self._folder / name).mkdir()
        for path in (self._base, self._folder, *self._folder.rglob("*")):
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        for parent in self._folder.parents:
            # pytest's own, which it shuts against others.
            if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        await self._program.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._program.stop()
        shutil.rmtree(self._base, ignore_errors=True)

    async def stop(self) -> None:
        await self._program.stop()

    async def start(self) -> None:
        """Also after a stop, with the same mails."""
        await self._program.start()

    def url(self, user: str = "support", folder: str = "INBOX") -> str:
        return f"imap+none://{user}:{PASSWORD}@{HOST}:{self.port}/{folder}"

    async def deliver(self, raw: bytes, user: str = "support", flags: str = "") -> None:
        """As a mail server does."""
        await asyncio.to_thread(self._deliver, raw, user, flags)

    async def unread(self, user: str = "support") -> list[bytes]:
        """The numbers of those that nobody has read."""
        return await asyncio.to_thread(self._search, user, "UNSEEN")

    async def all(self, user: str = "support") -> list[bytes]:
        return await asyncio.to_thread(self._search, user, "ALL")

    async def make_anew(self, user: str = "support") -> None:
        """The folder gets another UIDVALIDITY, and its mails other UIDs."""
        await asyncio.to_thread(self._make_anew, user)

    def _deliver(self, raw: bytes, user: str, flags: str) -> None:
        with self._login(user) as imap:
            status, told = imap.append("INBOX", flags, None, raw)
            assert status == "OK", told

    def _search(self, user: str, what: str) -> list[bytes]:
        with self._login(user) as imap:
            imap.select(readonly=True)
            return list(imap.search(None, what)[1][0].split())

    def _make_anew(self, user: str) -> None:
        for path in (self._folder / "mail" / user).glob("dovecot*"):
            path.unlink()

    def _login(self, user: str) -> imaplib.IMAP4:
        imap = imaplib.IMAP4(HOST, self.port, timeout=10)
        imap.login(user, PASSWORD)
        return imap

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(HOST, self.port)
            greeting = await reader.readline()
            writer.close()
        except OSError:
            return False
        return greeting.startswith(b"* OK")
