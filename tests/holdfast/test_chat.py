"""`holdfast chat` as two people use it: two processes beside a real `holdfast up`."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.holdfast.running import House, Up

PATIENCE = 30.0


class Person:
    """Someone at a terminal; `output` is what they see."""

    def __init__(self, house: House, *arguments: str) -> None:
        self._output = house.folder / f"{arguments[0]}-{time.monotonic_ns()}.txt"
        with self._output.open("wb") as output:
            self._process = house.start("chat", *arguments, output=output)

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def write(self, *lines: str) -> None:
        assert self._process.stdin is not None
        for line in lines:
            self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def sees(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            assert self._process.poll() is None, f"{text!r} is not in: {self.output}"
            assert time.monotonic() < deadline, f"{text!r} is not in: {self.output}"
            time.sleep(0.05)

    def leaves(self) -> int:
        return self._process.wait(PATIENCE)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = House.in_folder(tmp_path_factory.mktemp("house")).up()
    yield running
    running.end(signal.SIGTERM)


def test_two_people_talk(up: Up) -> None:
    agent = Person(up.house, "agent", "--name", "Ann")
    customer = Person(up.house, "customer", "--name", "Jane")
    with agent, customer:
        customer.sees("You are in the queue.")
        customer.write("Hello, anybody?")
        agent.sees("1. Jane, for")
        agent.write("/accept")
        customer.sees("Ann is with you now.")
        agent.sees("You are talking with Jane.")
        agent.sees("Jane: Hello, anybody?")
        agent.write("How can I help?")
        customer.sees("Ann: How can I help?")
        customer.write("The page stays blank.")
        agent.sees("Jane: The page stays blank.")
        agent.write("/close solved")
        customer.sees("The conversation was closed.")
        assert customer.leaves() == 0
        agent.write("/quit")
        agent.sees("Your shift has ended.")
        assert agent.leaves() == 0
        for person in (agent, customer):
            assert "Traceback" not in person.output
            said = re.findall(r"^(?:Ann|Jane): .*$", person.output, re.MULTILINE)
            assert said == [
                "Jane: Hello, anybody?",
                "Ann: How can I help?",
                "Jane: The page stays blank.",
            ]


def test_killed_api_costs_no_word(up: Up) -> None:
    agent = Person(up.house, "agent", "--name", "Bob")
    customer = Person(up.house, "customer", "--name", "Joe")
    with agent, customer:
        agent.sees("1. Joe, for")
        agent.write("/accept 1")
        agent.sees("You are talking with Joe.")
        customer.write("one")
        agent.sees("Joe: one")
        up.kill("api")
        customer.write("two", "three")
        agent.write("four")
        customer.sees("Bob: four")
        customer.sees("Joe: three")
        agent.sees("Joe: three")
        agent.sees("Bob: four")
        for person in (agent, customer):
            said = re.findall(r"^(?:Bob|Joe): (.*)$", person.output, re.MULTILINE)
            assert sorted(said) == ["four", "one", "three", "two"]
            assert said.index("two") < said.index("three")
        customer.write("/close")
        customer.sees("You have closed the conversation.")
        assert customer.leaves() == 0


def test_customer_leaves_a_ticket_instead_of_waiting(up: Up) -> None:
    with Person(up.house, "customer", "--name", "Max") as customer:
        customer.write("It is broken.", "/ticket max@example.com")
        customer.sees("It goes on as ticket #")
        assert customer.leaves() == 0


def test_released_conversation_can_be_taken_by_another(up: Up) -> None:
    ann = Person(up.house, "agent", "--name", "Ann")
    eve = Person(up.house, "agent", "--name", "Eve")
    customer = Person(up.house, "customer", "--name", "Liz")
    with ann, eve, customer:
        ann.sees("1. Liz, for")
        eve.sees("1. Liz, for")
        ann.write("/accept")
        customer.sees("Ann is with you now.")
        ann.sees("You are talking with Liz.")
        ann.write("/release")
        customer.sees("You are back in the queue")
        eve.write("/accept")
        customer.sees("Eve is with you now.")
        ann.write("Still there?")
        ann.sees("You have no conversation.")
        eve.sees("You are talking with Liz.")
        eve.write("/ticket")
        eve.sees("It goes on as ticket #")
        assert customer.leaves() == 0


@pytest.mark.parametrize("side", ["customer", "agent"])
def test_without_a_server_says_what_to_do(tmp_path: Path, side: str) -> None:
    result = House.in_folder(tmp_path).run("chat", side)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("holdfast: No Holdfast answers at http://127.0.0.1:")
    assert "`make up`" in line


def test_interrupted_leaves_without_a_word(up: Up) -> None:
    process = up.house.start("chat", "customer", output=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert b"press Enter" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert b"Traceback" not in process.stdout.read()
