"""Folders of Markdown files: what becomes of them, and what is said of bad ones."""

from pathlib import Path

import pytest

from domain.knowledge import Audience, Writing
from holdfast.articles import article_lines, import_writings, read_article, read_folder
from holdfast.errors import BadArticle
from store import articles
from store.articles import ArticleFilter
from store.database import Database
from tests.holdfast.running import House

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "kb"
FULL = """\
---
# a remark
title: "Returns: how?"
tags: return, 'money back', return,

audience: internal
language: DE
---

# Not the title

Text.
"""


def file(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


async def take(database: Database, folder: Path) -> str:
    async with database.begin() as session:
        return await import_writings(session, read_folder(folder))


class TestReading:
    def test_front_matter_says_what_the_article_is(self, tmp_path: Path) -> None:
        assert read_article(file(tmp_path, "a.md", FULL)) == Writing(
            title="Returns: how?",
            body="# Not the title\n\nText.",
            tags=("return", "money back"),
            audience=Audience.INTERNAL,
            language="de",
        )

    @pytest.mark.parametrize(
        "text",
        [
            "# Title #\n\nText.",
            "\ufeff# Title\r\n\r\nText.\r\n",
            "---\ntags: a\n---\n# Title\nText.",
            "---\ntitle: Title\n---\nText.",
        ],
    )
    def test_the_first_heading_is_the_title(self, tmp_path: Path, text: str) -> None:
        read = read_article(file(tmp_path, "a.md", text))
        assert (read.title, read.body) == ("Title", "Text.")

    def test_a_remark_in_code_is_no_heading(self, tmp_path: Path) -> None:
        text = "```sh\n# remark\n```\n# Title\n"
        read = read_article(file(tmp_path, "a.md", text))
        assert (read.title, read.body) == ("Title", "```sh\n# remark\n```")

    def test_paths_are_slugs_and_hidden_files_are_left_alone(self, tmp_path: Path) -> None:
        for name in ("b/c d.md", "a.md", ".git/x.md", ".draft.md", "notes.txt"):
            file(tmp_path, name, "# T\nText.")
        assert list(read_folder(tmp_path)) == ["a", "b/c d"]

    @pytest.mark.parametrize(
        ("text", "line", "what"),
        [
            ("---\ntitle: T\ncolour: red\n---\nText.", 3, "expected one of title, tags"),
            ("---\ntitle: T\nno colon\n---\nText.", 3, "expected one of title, tags"),
            ("---\ntitle: T\nTitle: U\n---\nText.", 3, "title is said twice"),
            ("---\ntitle: T\n\nText.", 4, "expected one of"),
            ("---\ntitle: T\n", 1, "never closed"),
            ("---\ntitle:\n---\nText.", 2, "1 to 200 characters"),
            (f"\n# {'x' * 201}\nText.", 2, "1 to 200 characters"),
            ("---\ntags: a\n---\nText.", 4, "there is no title"),
            ("Text.", 1, "there is no title"),
            ("", 1, "there is no title"),
            ("---\ntitle: T\n---\n\n", 4, "1 to 100,000 characters"),
            (f"# T\n{'x' * 100_001}", 1, "1 to 100,000 characters"),
            ("---\ntitle: T\naudience: all\n---\nText.", 3, "public or internal"),
            ("---\ntitle: T\nlanguage: english\n---\nText.", 3, "two letters"),
            (f"---\ntitle: T\ntags: {'x' * 51}\n---\nText.", 3, "at most 20 tags"),
            (b"# T\n\nText.\xff", 3, "not UTF-8"),
            (b"# T\n\0", 2, "NUL"),
        ],
    )
    def test_a_fault_is_told_with_file_and_line(
        self, tmp_path: Path, text: str | bytes, line: int, what: str
    ) -> None:
        path = file(tmp_path, "a.md", text)
        with pytest.raises(BadArticle, match=what) as refused:
            read_article(path)
        assert str(refused.value).startswith(f"{path}, line {line}: ")

    def test_a_folder_without_articles_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadArticle, match="no file"):
            read_folder(tmp_path)


class TestImport:
    async def test_says_what_is_new_and_what_has_changed(
        self, database: Database, tmp_path: Path
    ) -> None:
        for name in ("a.md", "b.md", "c/d.md"):
            file(tmp_path, name, f"# {name}\nText.")
        assert await take(database, tmp_path) == "3 new, 0 changed, 0 as before"
        file(tmp_path, "b.md", "# Other\nText.")
        file(tmp_path, "e.md", "# E\nText.")
        assert await take(database, tmp_path) == "1 new, 1 changed, 2 as before"
        async with database.begin() as session:
            changed = await articles.by_slug(session, "b")
            lines = [line async for line in article_lines(session)]
        assert changed is not None
        assert (changed.title, changed.version) == ("Other", 2)
        assert len(lines) == 4
        assert any(line.endswith("  public    en  Other") for line in lines)

    async def test_the_examples_are_good(self, database: Database) -> None:
        said = await take(database, EXAMPLES)
        assert said == f"{len(list(EXAMPLES.glob('*.md')))} new, 0 changed, 0 as before"


class TestCommand:
    async def test_imports_and_lists(
        self, database: Database, database_url: str, tmp_path: Path
    ) -> None:
        house = House.in_folder(tmp_path)
        file(tmp_path, "kb/returns.md", "# Returns\nFree.")
        taken = house.run("kb", "import", "kb", DATABASE_URL=database_url)
        assert (taken.returncode, taken.stdout) == (0, "1 new, 0 changed, 0 as before\n")
        listed = house.run("kb", "list", DATABASE_URL=database_url)
        assert listed.stdout.startswith("art_")
        assert listed.stdout.endswith("  public    en  Returns\n")

    async def test_one_bad_file_leaves_everything_as_it_was(
        self, database: Database, database_url: str, tmp_path: Path
    ) -> None:
        file(tmp_path, "kb/a.md", "# Good\nText.")
        file(tmp_path, "kb/z.md", "---\naudience: none\n---\n# Bad\nText.")
        refused = House.in_folder(tmp_path).run("kb", "import", "kb", DATABASE_URL=database_url)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            "holdfast: kb/z.md, line 2: the audience is public or internal. Nothing was imported.\n"
        )
        async with database.begin() as session:
            assert await articles.page(session, ArticleFilter()) == ([], 0)
