"""A server process does not load what only clients, developers or other settings need."""

import subprocess
import sys

import pytest

from tests.holdfast.running import ROOT, bare_environment

_LOAD = """
import sys
from holdfast.lean import without_extras
without_extras(redis={redis})
import {module}
print(*sorted(name for name, module in sys.modules.items() if module and "." not in name))
"""


def loaded(module: str, *, redis: bool = False) -> set[str]:
    """In a process of its own: here, others may have imported them."""
    result = subprocess.run(
        [sys.executable, "-c", _LOAD.format(module=module, redis=redis)],
        cwd=ROOT,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["workers.api", "workers.threads"])
def test_loads_no_extras(module: str) -> None:
    assert not loaded(module) & {"aiohttp", "requests", "rich", "redis"}


def test_loads_redis_where_there_is_one() -> None:
    assert "redis" in loaded("workers.api", redis=True)
