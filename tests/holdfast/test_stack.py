import os
from pathlib import Path

import psutil
import pytest

from holdfast.folder import DataFolder
from holdfast.programs import Program
from holdfast.stack import Mark, Stack, end_leftovers, last_stack, running_stack
from tests.holdfast.programs import FOREVER, python


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path)
    folder.make()
    return folder


def stack_of(up: Mark, **processes: Mark) -> Stack:
    return Stack(up=up, api="http://127.0.0.1:8000", processes=processes)


def ended() -> Mark:
    """Somebody else has our number now."""
    return Mark(pid=os.getpid(), created=psutil.Process().create_time() - 3600)


class TestRunningStack:
    def test_is_found_while_its_process_lives(self, folder: DataFolder) -> None:
        stack = stack_of(Mark.of(os.getpid()))
        stack.save(folder)
        assert running_stack(folder) == stack

    def test_is_not_found_after_its_end(self, folder: DataFolder) -> None:
        stack_of(ended()).save(folder)
        assert running_stack(folder) is None

    @pytest.mark.parametrize("text", ["", "{", '{"up": 1}'])
    def test_is_not_found_in_a_broken_note(self, folder: DataFolder, text: str) -> None:
        folder.stack.write_text(text)
        assert running_stack(folder) is None

    def test_is_not_found_where_none_ever_was(self, folder: DataFolder) -> None:
        assert last_stack(folder) is None


class TestLeftovers:
    async def test_are_ended(self, folder: DataFolder) -> None:
        async with Program(python(FOREVER)) as left:
            assert left.pid is not None
            mark = Mark.of(left.pid)
            stack_of(ended(), worker=mark).save(folder)
            end_leftovers(folder)
            assert mark.process() is None

    def test_spare_whoever_has_their_number_now(self, folder: DataFolder) -> None:
        stack_of(ended(), worker=ended()).save(folder)
        end_leftovers(folder)  # would end this very process otherwise
