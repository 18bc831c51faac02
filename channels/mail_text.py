"""The words of a mail, out of bytes in any charset."""

import codecs
import re
from email import errors, header

LONGEST_TEXT = 100_000
LONGEST_QUOTED = 4_000
"""Characters. Nobody writes as much; whoever sends more has copied a file into the mail."""
_LONGEST_HEADER = 4_000

_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
"""Python knows them, no mail program does; some of them take for ever, or give lone surrogates."""
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
_BLANK_LINES = re.compile(r"\n{3,}")


def decoded(content: bytes, charset: str | None) -> str:
    """Whatever the bytes and their charset are; what cannot be read becomes U+FFFD."""
    for name in (charset, "utf-8"):
        if name and _is_charset(name):
            try:
                return content.decode(name)
            except (UnicodeError, ValueError):
                continue
    if charset and _is_charset(charset):
        return content.decode(charset, "replace")
    return content.decode("cp1252", "replace")


def shown(text: str) -> str:
    """Without what no screen shows and PostgreSQL cannot keep; lines end with one character."""
    return _UNSHOWN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def header_text(raw: str) -> str:
    """A header's words on one line, its encoded ones (RFC 2047) decoded."""
    raw = raw[:_LONGEST_HEADER]
    try:
        parts = header.decode_header(raw)
    except (ValueError, LookupError, errors.HeaderParseError):
        parts = [(raw, None)]
    texts = (each if isinstance(each, str) else decoded(each, name) for each, name in parts)
    return " ".join(shown("".join(texts)).split())


def unflowed(text: str, *, delsp: bool) -> str:
    """RFC 3676: lines that end with a space go on in the next one."""
    lines: list[str] = []
    flows = False
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        body = line[depth:].removeprefix(" ")
        goes_on = body.endswith(" ") and body != "-- "
        if flows and depth == len(lines[-1]) - len(lines[-1].lstrip(">")):
            lines[-1] += body
        else:
            lines.append(">" * depth + (" " if depth else "") + body)
        if goes_on and delsp:
            lines[-1] = lines[-1][:-1]
        flows = goes_on
    return "\n".join(lines)


def tidy(text: str) -> str:
    """Within bounds, and without more than one blank line in a row."""
    lines = shown(text[: 2 * LONGEST_TEXT]).split("\n")
    text = "\n".join(line.rstrip() for line in lines)
    return _BLANK_LINES.sub("\n\n", text).strip()[:LONGEST_TEXT]


def _is_charset(name: str) -> bool:
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return info.name not in _NO_CHARSETS and getattr(info, "_is_text_encoding", True)
