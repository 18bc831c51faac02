"""A fresh clone installs what pyproject.toml names, so it has to name all that we import."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"]
DEV = PROJECT["project"]["optional-dependencies"]["dev"]
PACKAGES = PROJECT["tool"]["importlinter"]["root_packages"]


def normal(name: str) -> str:
    """A distribution's name without extras and versions, as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~ ]", name)[0]).lower()


def imports(folder: Path) -> Iterator[str]:
    """The top-level names that a folder's modules import."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    yield from (alias.name.split(".")[0] for alias in names)
                case ast.ImportFrom(module=str(module), level=0):
                    yield module.split(".")[0]


def missing(folders: list[str], named: list[str]) -> set[str]:
    ours = {*PACKAGES, "tests", "bench", *sys.stdlib_module_names}
    distributions = packages_distributions()
    known = {normal(each) for each in named}
    used = {name for folder in folders for name in imports(ROOT / folder)} - ours
    return {
        name for name in used if not known & {normal(each) for each in distributions.get(name, [])}
    }


def test_names_what_the_program_imports() -> None:
    assert missing(PACKAGES, RUNTIME) == set()


def test_names_what_the_tests_import() -> None:
    assert missing(["tests", "bench"], RUNTIME + DEV) == set()


@pytest.mark.parametrize("requirement", RUNTIME + DEV)
def test_pins_everything(requirement: str) -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert normal(requirement) in {normal(pin) for pin in pins if "==" in pin}


def test_names_no_registry() -> None:
    text = (ROOT / "pyproject.toml").read_text() + (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|file:|index-url|find-links|^-", text, re.MULTILINE)


def test_packages_everything() -> None:
    included = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {pattern.removesuffix("*") for pattern in included} == set(PACKAGES)
