"""What a ticket is called when nobody has said."""

import re

_LONGEST = 80
_SENTENCE = re.compile(r"(?<=[.!?])\s")


def subject_of(first_words: str | None, name: str | None) -> str:
    """A short line for a list: the first sentence that the customer wrote, or who it was."""
    words = " ".join((first_words or "").split())
    if not words:
        return f"Live chat with {name or 'a visitor'}"
    sentence = _SENTENCE.split(words, maxsplit=1)[0]
    if len(sentence) <= _LONGEST:
        return sentence
    return sentence[:_LONGEST].rsplit(" ", 1)[0].rstrip(",;:") + " …"
