"""What a server offers, and what `holdfast doctor` says of it."""

from pathlib import Path

import pytest

from bridge.account import Account
from bridge.stream import Stream
from tests.bridge.prosody import Prosody


async def test_misses_nothing_on_a_full_server(support: Account) -> None:
    async with Stream.open(support) as stream:
        found = stream.features
    assert found.sentences() == []
    assert not found.degraded
    assert found.carbons
    assert found.blocking
    assert found.ping


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("mam", ["XEP-0313", "XEP-0359"]),
        ("smacks", ["XEP-0198"]),
    ],
)
async def test_says_what_does_not_hold(tmp_path: Path, module: str, words: list[str]) -> None:
    async with (
        Prosody(tmp_path, without=(module,)) as server,
        Stream.open(await server.register("support")) as stream,
    ):
        found = stream.features
    assert found.degraded
    assert len(found.sentences()) == len(words)
    for sentence, word in zip(found.sentences(), words, strict=True):
        assert sentence.startswith("degraded: ")
        assert word in sentence
