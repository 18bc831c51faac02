"""Markdown as plain text, for chats that show no formatting.

It reads what articles are made of: headings, paragraphs, lists, tables, quotes, code, and what
stands inside a line. Whatever it does not know stays as it was written.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    HEADING = auto()
    PARAGRAPH = auto()
    LIST = auto()
    TABLE = auto()
    CODE = auto()


@dataclass(frozen=True, slots=True)
class Block:
    """`lines` are plain: one of a paragraph, one for each item of a list and row of a table."""

    kind: Kind
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


_FENCE = re.compile(r" {0,3}(```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]+(.*?))?(?:[ \t]+#*)?$")
_RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|={2,}[ \t]*)$")
_ITEM = re.compile(r"([ \t]*)(?:[-*+]|(\d{1,9})[.)])[ \t]+(.*)")
_TABLE_RULE = re.compile(r"[ \t|:-]*-[ \t|:-]*$")
_CELL_END = re.compile(r"(?<!\\)\|")

_MARK = re.compile(r"[\\`*_~\[<&]")
_CODE = re.compile(r"(`[^`]+`)")
_IMAGE = re.compile(r"!\[([^\[\]]*)\]\([^()\s]*(?:[ \t]+\"[^\"]*\")?\)")
_LINK = re.compile(r"\[([^\[\]]*)\]\(<?((?:[^()<>\s]|\([^()\s]*\))*)>?(?:[ \t]+\"[^\"]*\")?\)")
_ADDRESS = re.compile(r"<((?:https?://|mailto:)[^<>\s]{1,2000})>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_STARS = re.compile(r"(?<!\\)(\*{1,3})(?=[^\s*])([^*]*[^\s*\\])\1")
_LINES = re.compile(r"(?<![\w\\])(_{1,3})(?=[^\s_])([^_]*(?:\b_\b[^_]*)*[^\s_\\])\1(?!\w)")
_STRIKE = re.compile(r"~~(?=[^\s~])([^~]+)~~")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def plain(markdown: str) -> str:
    """The text alone: links keep their address in brackets, lists their marks."""
    return "\n\n".join(block.text for block in blocks(markdown))


def blocks(markdown: str) -> list[Block]:
    lines = markdown.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [block for block in _Reader(lines).blocks() if block.text.strip()]


def inline(text: str) -> str:
    """One line without its marks."""
    if not _MARK.search(text):
        return text.strip()
    parts = _CODE.split(text)
    # Every other part is code, which means what it says.
    return "".join(
        part[1:-1] if place % 2 else _without_marks(part) for place, part in enumerate(parts)
    ).strip()


def _without_marks(text: str) -> str:
    text = _IMAGE.sub(r"\1", text)
    text = _LINK.sub(_link, text)
    text = _ADDRESS.sub(lambda found: found[1].removeprefix("mailto:"), text)
    text = _TAG.sub("", text)
    for _ in range(2):  # one kind of emphasis within another
        text = _STARS.sub(r"\2", text)
        text = _LINES.sub(r"\2", text)
    text = _STRIKE.sub(r"\1", text)
    return html.unescape(_ESCAPE.sub(r"\1", text))


def _link(found: re.Match[str]) -> str:
    said, address = found[1].strip(), found[2].removeprefix("mailto:")
    if not said or said == address:
        return address
    return f"{said} ({address})" if address else said


class _Reader:
    """Goes through the lines once."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0

    def blocks(self) -> Iterator[Block]:
        while self._at < len(self._lines):
            line = self._line()
            if not line.strip() or _RULE.fullmatch(line):
                self._at += 1
            elif fence := _FENCE.match(line):
                yield self._code(fence[1])
            elif heading := _HEADING.fullmatch(line):
                self._at += 1
                yield Block(Kind.HEADING, (inline(heading[1] or ""),))
            elif self._is_table():
                yield self._table()
            elif _ITEM.match(line):
                yield self._list()
            else:
                yield self._paragraph()

    def _line(self) -> str:
        """The line, without the marks of a quotation."""
        return re.sub(r"^ {0,3}>[ \t]?", "", self._lines[self._at])

    def _code(self, fence: str) -> Block:
        self._at += 1
        found = []
        while self._at < len(self._lines) and not self._line().lstrip().startswith(fence):
            found.append(self._line())
            self._at += 1
        self._at += 1
        return Block(Kind.CODE, tuple(found))

    def _is_table(self) -> bool:
        following = self._lines[self._at + 1] if self._at + 1 < len(self._lines) else ""
        return "|" in self._line() and "|" in following and bool(_TABLE_RULE.fullmatch(following))

    def _table(self) -> Block:
        heads = _cells(self._line())
        self._at += 2
        rows = []
        while self._at < len(self._lines) and "|" in self._line():
            named = zip(heads, _cells(self._line()), strict=False)
            said = [f"{head}: {cell}" if head else cell for head, cell in named if cell]
            rows.append("- " + "; ".join(said))
            self._at += 1
        return Block(Kind.TABLE, tuple(rows or [", ".join(heads)]))

    def _list(self) -> Block:
        items: list[list[str]] = []
        while self._at < len(self._lines):
            line = self._line()
            if item := _ITEM.match(line):
                depth = len(item[1].expandtabs(4)) // 2
                mark = f"{item[2]}." if item[2] else "-"
                items.append([f"{'  ' * depth}{mark}", item[3]])
            elif not line.strip() and self._goes_on():
                pass
            elif line.strip() and not _ends_a_list(line):
                items[-1].append(line.strip())
            else:
                break
            self._at += 1
        return Block(Kind.LIST, tuple(f"{mark} {inline(' '.join(said))}" for mark, *said in items))

    def _goes_on(self) -> bool:
        """Whether the list does, after an empty line."""
        if self._at + 1 == len(self._lines):
            return False
        following = self._lines[self._at + 1]
        return bool(_ITEM.match(following)) or following.startswith(("  ", "\t"))

    def _paragraph(self) -> Block:
        found = [self._line().strip()]
        self._at += 1
        while self._at < len(self._lines):
            line = self._line()
            if not line.strip() or _ends_a_paragraph(line) or self._is_table():
                break
            found.append(line.strip())
            self._at += 1
        return Block(Kind.PARAGRAPH, (inline(" ".join(found).replace("\\ ", " ")),))


def _ends_a_list(line: str) -> bool:
    return bool(_FENCE.match(line) or _HEADING.fullmatch(line) or _RULE.fullmatch(line))


def _ends_a_paragraph(line: str) -> bool:
    return _ends_a_list(line) or bool(_ITEM.match(line))


def _cells(line: str) -> list[str]:
    return [inline(cell) for cell in _CELL_END.split(line.strip().strip("|"))]
