"""What processes say of themselves."""

import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog

from workers import logs


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Afterwards: what is configured is the whole process's."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**configured)


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_addresses_that_are_called_are_not_told(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(level, "json")
    answers = httpx.MockTransport(lambda _: httpx.Response(201))
    async with httpx.AsyncClient(transport=answers) as client:
        await client.put("https://files.example.org/slot?key=secret")
    logging.getLogger("holdfast").warning("told")
    told = capsys.readouterr().err
    assert "told" in told
    assert "secret" not in told
