"""Lines in and lines out, typed by a person or piped by a program."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any

import typer

_STDIN = 0


class Terminal:
    def __init__(self) -> None:
        self._is_typed = sys.stdin.isatty() and sys.stdout.isatty()

    def say(self, text: str) -> None:
        typer.echo(harmless(text))

    async def lines(self) -> AsyncIterator[str]:
        """What is entered, line by line and without blanks around it, until its end."""
        entered: asyncio.Queue[str | None] = asyncio.Queue()
        # Nothing but a thread can wait for terminals, pipes and files alike. It dies with us,
        # for a read that has begun cannot be taken back.
        Thread(target=_read, args=(asyncio.get_running_loop(), entered), daemon=True).start()
        while (line := await entered.get()) is not None:
            said = line.strip()
            if self._is_typed and not said.startswith("/"):
                self._take_back(line)
            if said:
                yield said

    def _take_back(self, line: str) -> None:
        """Erase what was typed: it is shown again where it stands in the log."""
        rows = len(line) // shutil.get_terminal_size().columns + 1
        typer.echo(f"\x1b[{rows}A\x1b[J", nl=False)


def harmless(text: str) -> str:
    """Without what would command the terminal: the text may be a stranger's."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


async def first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of it until one of them ends. Raises what that one raises."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _read(loop: asyncio.AbstractEventLoop, entered: asyncio.Queue[str | None]) -> None:
    """Unbuffered: a buffer's lock would still be held when the interpreter ends."""
    # The loop may have ended in the meantime.
    with open(_STDIN, "rb", buffering=0, closefd=False) as stdin, suppress(RuntimeError):
        for line in stdin:
            text = line.decode(errors="replace").rstrip("\r\n")
            loop.call_soon_threadsafe(entered.put_nowait, text)
        loop.call_soon_threadsafe(entered.put_nowait, None)
