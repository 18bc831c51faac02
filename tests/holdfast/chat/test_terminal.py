import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.chat.terminal import first_of, harmless
from tests.holdfast.running import ROOT, bare_environment

_ECHO = """
import asyncio
from holdfast.chat.terminal import Terminal

async def main():
    terminal = Terminal()
    async for line in terminal.lines():
        if line == "/quit":
            return
        terminal.say(f"<{line}>")

asyncio.run(main())
"""
ARGV = [sys.executable, "-c", _ECHO]


def echo(given: bytes) -> list[str]:
    """What a program says that repeats its lines."""
    result = subprocess.run(
        ARGV, input=given, cwd=ROOT, env=bare_environment(), capture_output=True, timeout=30
    )
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode().splitlines()


class TestLines:
    def test_come_from_a_pipe(self) -> None:
        assert echo("Grüß Gott\n\n  two \nthree".encode()) == ["<Grüß Gott>", "<two>", "<three>"]

    def test_need_not_end(self) -> None:
        process = subprocess.Popen(
            ARGV, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=bare_environment()
        )
        assert process.stdin is not None
        process.stdin.write(b"/quit\n")
        process.stdin.flush()
        assert process.wait(30) == 0
        process.stdin.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""

    def test_come_from_a_file(self, tmp_path: Path) -> None:
        lines = tmp_path / "lines"
        lines.write_text("one\ntwo\n")
        with lines.open() as stdin:
            said = subprocess.run(
                ARGV, stdin=stdin, cwd=ROOT, env=bare_environment(), capture_output=True, timeout=30
            )
        assert said.stdout == b"<one>\n<two>\n"

    def test_that_cannot_be_read_are_read_as_far_as_they_can(self) -> None:
        assert echo(b"a\xffb\n") == ["<a\ufffdb>"]

    def test_typed_are_taken_back_and_shown_where_they_stand(self) -> None:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ARGV, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=bare_environment()
        )
        os.close(theirs)
        os.write(ours, b"Hello\n")
        shown = b""
        while b"<Hello>" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, b"/quit\n")
        assert process.wait(30) == 0
        os.close(ours)
        assert b"\x1b[1A\x1b[J<Hello>" in shown


def test_harmless_commands_no_terminal() -> None:
    assert harmless("a\x1b[2Jb\x07\u202ec\nd ü 😀") == "a\ufffd[2Jb\ufffd\ufffdc\nd ü 😀"


class TestFirstOf:
    async def test_ends_the_others(self) -> None:
        ended = asyncio.Event()

        async def last() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

        await first_of(last(), asyncio.sleep(0.01))
        assert ended.is_set()

    async def test_raises_what_the_first_raises(self) -> None:
        async def fail() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            await first_of(asyncio.sleep(60), fail())
