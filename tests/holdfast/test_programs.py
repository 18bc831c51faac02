import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from holdfast.errors import ServerDidNotStart
from holdfast.processes import Command, how_it_ended
from holdfast.programs import Program
from tests.holdfast.programs import FOREVER, python, stubborn


class TestProgram:
    async def test_is_started_when_it_says_so(self, tmp_path: Path) -> None:
        ready = tmp_path / "ready"

        async def look() -> bool:
            return ready.exists()

        async with Program(python(stubborn(ready)), look) as program:
            assert program.pid is not None
            assert psutil.pid_exists(program.pid)

    async def test_that_ends_early_says_why(self, tmp_path: Path) -> None:
        command = python("raise SystemExit('no disk')", output=tmp_path / "log")

        async def never() -> bool:
            return False

        with pytest.raises(ServerDidNotStart, match=r"(?s)ended with code 1.*no disk"):
            await Program(command, never).start()

    async def test_that_is_never_ready_is_ended(self) -> None:
        async def never() -> bool:
            return False

        program = Program(python(FOREVER), never, patience=0.1)
        with pytest.raises(ServerDidNotStart, match="not ready after"):
            await program.start()
        assert program.pid is not None
        assert not psutil.pid_exists(program.pid)

    async def test_that_is_not_there_says_so(self) -> None:
        with pytest.raises(ServerDidNotStart, match="/no/such/program"):
            await Program(Command(name="x", argv=["/no/such/program"])).start()

    async def test_that_does_not_listen_is_killed(self, tmp_path: Path) -> None:
        ready = tmp_path / "ready"

        async def look() -> bool:
            return ready.exists()

        program = Program(python(stubborn(ready)), look)
        await program.start()
        pid = program.pid
        await program.stop()
        assert pid is not None
        assert not psutil.pid_exists(pid)

    async def test_can_be_stopped_twice_and_after_its_death(self) -> None:
        program = Program(python(FOREVER))
        await program.start()
        assert program.pid is not None
        os.kill(program.pid, signal.SIGKILL)
        await program.stop()
        await program.stop()

    async def test_starts_again(self) -> None:
        program = Program(python("raise SystemExit(3)"))
        await program.start()
        assert await program.wait() == 3
        await program.start()
        assert await program.wait() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    parent = textwrap.dedent("""
        import asyncio, sys
        from holdfast.programs import Program
        from tests.holdfast.programs import FOREVER, python

        async def main():
            program = Program(python(FOREVER))
            await program.start()
            print(program.pid, flush=True)
            await program.wait()

        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    _, alive = psutil.wait_procs([child], timeout=5)
    assert not alive


@pytest.mark.parametrize(
    ("code", "words"), [(0, "ended with code 0"), (-9, "was ended by SIGKILL")]
)
def test_how_it_ended(code: int, words: str) -> None:
    assert how_it_ended(code) == words
