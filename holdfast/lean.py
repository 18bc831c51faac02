"""What a process can do without, although it is installed."""

import sys
from typing import Any, cast

_FOR_CLIENTS = ("aiohttp", "requests")
"""python-socketio's clients need them. It imports them wherever it finds them: 12 MB for nothing
in a server."""
_FOR_DEVELOPERS = ("rich",)
"""structlog's pretty tracebacks, which we do not show: 4 MB."""
_FOR_MANY_NODES = ("redis",)
"""python-socketio imports it too: 6 MB."""


def without_extras(*, redis: bool) -> None:
    """Let no library find what this process has no use for; call it before the long imports.

    To libraries it looks as if the packages were not installed, which all of them are ready for.
    What was imported before stays.
    """
    modules = cast("dict[str, Any]", sys.modules)
    for name in (*_FOR_CLIENTS, *_FOR_DEVELOPERS, *(() if redis else _FOR_MANY_NODES)):
        # None is Python's own way to say that there is no such module (reference, 5.3.1).
        modules.setdefault(name, None)
