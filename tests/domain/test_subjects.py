"""What a ticket is called when nobody has said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.subjects import subject_of


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ("My invoice is wrong. Again!", "My invoice is wrong."),
        ("Is anybody there? Hello?", "Is anybody there?"),
        ("  two\n\nlines\tand  tabs ", "two lines and tabs"),
        ("version 2.5 fails", "version 2.5 fails"),
        ("no end", "no end"),
    ],
)
def test_first_sentence_in_one_line(words: str, subject: str) -> None:
    assert subject_of(words, "Ada") == subject


@pytest.mark.parametrize("words", [None, "", " \n"])
def test_without_words_it_is_who_it_was(words: str | None) -> None:
    assert subject_of(words, "Ada") == "Live chat with Ada"
    assert subject_of(words, None) == "Live chat with a visitor"


def test_long_sentence_is_cut_between_words() -> None:
    subject = subject_of("one, two, " * 20, None)
    assert subject.endswith(("one …", "two …"))
    assert len(subject) <= 82


def test_one_long_word_is_cut_anywhere() -> None:
    assert subject_of("x" * 200, None) == "x" * 80 + " …"


@given(st.text(), st.none() | st.text(max_size=20))
def test_always_one_short_line(words: str, name: str | None) -> None:
    subject = subject_of(words, name)
    assert subject
    assert len(subject) <= 82 or name is not None
    assert words.strip() == "" or "\n" not in subject
