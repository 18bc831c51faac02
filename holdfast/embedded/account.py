"""Who runs the embedded PostgreSQL, which refuses to run as root."""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import ServerDidNotStart

_NAME = "pgserver"


@dataclass(frozen=True)
class Account:
    """A system user. `name` is None when we are that user already."""

    name: str | None
    uid: int
    gid: int

    def own(self, folder: Path) -> None:
        """Give it `folder` for itself alone, and a way to get there."""
        folder.chmod(0o700)
        if self.name is not None:
            os.chown(folder, self.uid, self.gid)
            _open_way(folder)

    def may_run(self, programs: Path) -> None:
        """Let it read and run what is installed under `programs`."""
        if self.name is not None:
            _open_way(programs)
            for path in (programs, *programs.rglob("*")):
                if not path.is_symlink():
                    runs = path.stat().st_mode & stat.S_IXUSR
                    _add(path, _READ | _SEARCH if runs else _READ)


def server_account() -> Account:
    """Ourselves, or for root the user `pgserver`, which is made when it is missing."""
    if os.geteuid() != 0:
        return Account(None, os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        _make_user()
        entry = pwd.getpwnam(_NAME)
    return Account(_NAME, entry.pw_uid, entry.pw_gid)


def _make_user() -> None:
    try:
        command = ["useradd", "--system", "--no-create-home", _NAME]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerDidNotStart(
            f"PostgreSQL does not run as root, and the system user {_NAME} cannot be made. "
            f"Make it (useradd {_NAME}), run Holdfast as another user, or set DATABASE_URL."
        ) from error


_READ = stat.S_IRGRP | stat.S_IROTH
_SEARCH = stat.S_IXGRP | stat.S_IXOTH


def _open_way(path: Path) -> None:
    """Let others pass through the folders above, where they cannot yet.

    Passing is all that is granted: what lies in them stays unlisted and unread. The package's
    own helper would make every one of them readable, /root included.
    """
    for folder in path.parents:
        _add(folder, stat.S_IXOTH)


def _add(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode | bits != mode:
        path.chmod(mode | bits)
