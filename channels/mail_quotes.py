"""Folding away what a mail quotes, so that only what is new stands in the log.

By the shape of quotes first, which is the same in all languages, and by words where programs leave
no shape. Every step takes linear time: whoever writes to us chooses the text. Answers written
between quotes keep them, since they make no sense without.
"""

import re
from collections.abc import Sequence

_LONGEST_INTRODUCTION = 400
_WRAPPED = 3
"""Lines that an introduction is wrapped into at most."""
_HEADERS = 8
"""Lines of a quoted mail's head that are looked at."""

_WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|geschrieben|écrit|escribió|escribio|scritto|schreef|geschreven|"
    r"skrev|escreveu|napisał|napisała|napsal|napsala|kirjoitti|írta|"
    r"yazdı|написал|пише)"  # noqa: RUF001  Turkish and Russian
)
_WHEN = re.compile(r"\d{4}|\d\d?[.:/]\d\d")
_FROM = re.compile("from|von|de|da|od|från|fra|van|от|feladó|kimden|lähettäjä|发件人|差出人")
_REST = re.compile(
    "sent|date|subject|to|gesendet|datum|betreff|an|envoyé|objet|à|enviado|enviado el|enviada|"
    "fecha|asunto|assunto|para|inviato|data|oggetto|a|verzonden|onderwerp|aan|skickat|ämne|till|"
    "sendt|emne|til|wysłano|temat|do|odesláno|předmět|komu|lähetetty|aihe|дата|отправлено|тема|кому|"
    "gönderildi|konu|kime|发送时间|主题|送信日時|件名|宛先"
)
_HEADER = re.compile(r"\s*\*?([^\s:*\uff1a][^:*\uff1a]{0,19}?)\s?\*?[:\uff1a]\*?\s")
_RULE = re.compile(r"\s*(?:[_-]{20,}|[-_=]{3,10}[ ]?[^-_=]{3,60}[ ]?[-_=]{3,10})\s*")


def without_quotes(text: str) -> str:
    """What is new in a mail that answers another; all of it, where nothing would be left."""
    lines = text.split("\n")
    lines = lines[: _quoted_mail(lines)]
    blocks = _quoted_blocks(lines)
    if blocks and not _says(lines[blocks[-1][1] :]):
        lines = lines[: _introduced(lines, blocks[-1][0])]
        blocks = blocks[:-1]
    if len(blocks) == 1 and not _says(lines[: _introduced(lines, blocks[0][0])]):
        lines = lines[blocks[0][1] :]
    new = "\n".join(lines).strip()
    return new or text


def _quoted_mail(lines: Sequence[str]) -> int:
    """Where a mail begins that is quoted as a whole, without marks; else the end."""
    for number, line in enumerate(lines):
        if not line.strip() or line.startswith(">"):
            continue
        if _is_head(lines, number):
            return number - 1 if number and _RULE.fullmatch(lines[number - 1]) else number
        if _RULE.fullmatch(line[:200]) and _is_head(lines, _next(lines, number + 1)):
            return number
        if _is_introduction(lines, number):
            return number
    return len(lines)


def _is_head(lines: Sequence[str], number: int) -> bool:
    """Whether `From: …`, and then at least two of `Sent`, `To` and `Subject`, stand here."""
    if number >= len(lines) or not _FROM.fullmatch(_label(lines[number])):
        return False
    labels = [_label(line) for line in lines[number + 1 : number + _HEADERS]]
    return sum(1 for label in labels if _REST.fullmatch(label)) >= 2


def _is_introduction(lines: Sequence[str], number: int) -> bool:
    """Whether "On …, somebody wrote:" stands here, and nothing below it is marked as a quote.

    Where it is marked, the mark tells more surely.
    """
    first = lines[number]
    if len(first) > _LONGEST_INTRODUCTION or not (_WHEN.search(first) or "@" in first):
        return False
    joined = ""
    for line in lines[number : number + _WRAPPED]:
        joined = f"{joined} {line.strip()}"[: 2 * _LONGEST_INTRODUCTION]
        if line.rstrip().endswith(":"):
            below = _next(lines, number + 1)
            marked = below < len(lines) and lines[below].startswith(">")
            return not marked and bool(_WROTE.search(joined))
    return False


def _quoted_blocks(lines: Sequence[str]) -> list[tuple[int, int]]:
    """(first line, line after) of each run of lines marked with `>`; blank ones do not part it."""
    blocks: list[tuple[int, int]] = []
    said = True
    for number, line in enumerate(lines):
        if line.startswith(">"):
            if said:
                blocks.append((number, number + 1))
            blocks[-1] = (blocks[-1][0], number + 1)
            said = False
        elif line.strip():
            said = True
    return blocks


def _introduced(lines: Sequence[str], quote: int) -> int:
    """Where the introduction of a quote begins: the lines above it, of which the last one ends
    with a colon. Where there is none, the quote itself."""
    last = quote - 1
    while last >= 0 and not lines[last].strip():
        last -= 1
    if last < 0 or not lines[last].rstrip().endswith((":", "\uff1a")):
        return quote
    first = last
    while first > 0 and last - first < _WRAPPED - 1 and lines[first - 1].strip():
        first -= 1
    joined = " ".join(lines[first : last + 1])
    if not (_WHEN.search(joined) or "@" in joined or _WROTE.search(joined)):
        return quote
    # Somebody may begin to write in the line right above.
    while first < last and _begins_later(lines, first, last):
        first += 1
    return first


def _begins_later(lines: Sequence[str], first: int, last: int) -> bool:
    rest = " ".join(lines[first + 1 : last + 1])
    return bool(_WHEN.search(rest) and (_WROTE.search(rest) or "@" in rest))


def _label(line: str) -> str:
    found = _HEADER.match(line[:200])
    return found[1].strip().lower() if found else ""


def _next(lines: Sequence[str], number: int) -> int:
    """The next line that is not blank; the number of lines where there is none."""
    return next((n for n in range(number, len(lines)) if lines[n].strip()), len(lines))


def _says(lines: Sequence[str]) -> bool:
    """Whether anything is written here but a signature."""
    for line in lines:
        if line.rstrip() == "--":
            return False
        if line.strip():
            return True
    return False
