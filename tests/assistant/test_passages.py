"""Passages: the part that answers, in plain text."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.passages import best_passage, plain

RETURNS = """\
Send back anything within **30 days**.

## How to send it back

1. Open [your orders](https://shop.example/orders).
2. Print the label.
3. Hand in the parcel.

## When you get your money

We check the parcel first. The refund takes *three* days.

## Exchanges

We reserve the other size.
"""


class TestPlain:
    @pytest.mark.parametrize(
        ("markdown", "said"),
        [
            ("# A title #", "A title"),
            ("**bold**, *it*, ***both***, __b__, _i_, ~~gone~~", "bold, it, both, b, i, gone"),
            ("**a *b* c**", "a b c"),
            ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
            ("`**code**` stays", "**code** stays"),
            ("[here](https://a.example/b_c_(d))", "here (https://a.example/b_c_(d))"),
            ('[here](https://a.example "Title")', "here (https://a.example)"),
            ("[https://a.example](https://a.example)", "https://a.example"),
            ("<https://a.example>", "https://a.example"),
            ("[mail us](mailto:a@b.example)", "mail us (a@b.example)"),
            ("![a picture](a.png) of it", "a picture of it"),
            ("one\ntwo\n\nthree", "one two\n\nthree"),
            ("- one\n- two\n  and a half\n* three", "- one\n- two and a half\n- three"),
            ("1. one\n2) two\n\n3. three", "1. one\n2. two\n3. three"),
            ("- a\n  - b", "- a\n  - b"),
            ("> quoted\n> words", "quoted words"),
            ("| a | b |\n| - | :-: |\n| 1 | **2** |\n| 3 | |", "- a: 1; b: 2\n- a: 3"),
            ("```sh\nls *.md\n```", "ls *.md"),
            ("above\n\n---\n\nbelow", "above\n\nbelow"),
            (r"\*not emphasised\*", "*not emphasised*"),
            ("R&amp;D<br> now", "R&D now"),
            ("", ""),
            (" \r\n\t\n", ""),
        ],
    )
    def test_says_the_same_without_marks(self, markdown: str, said: str) -> None:
        assert plain(markdown) == said

    def test_leaves_no_mark_in_the_example_articles(self) -> None:
        examples = [*Path("docs/examples/kb").glob("*.md")]
        assert len(examples) > 10
        for path in examples:
            said = plain(path.read_text().split("---\n", 2)[2])
            assert not any(mark in said for mark in ("**", "##", "](", "|", "* ")), path


class TestBestPassage:
    @pytest.mark.parametrize(
        ("question", "begins", "holds"),
        [
            ("When do I get the refund?", "When you get your money", "three days"),
            ("how to send sth back", "How to send it back", "3. Hand in the parcel."),
            ("can it be exchanged?", "Exchanges", "reserve the other size"),
            ("PRINTING THE LABELS", "How to send it back", "1. Open your orders (https://"),
        ],
    )
    def test_is_the_section_about_it(self, question: str, begins: str, holds: str) -> None:
        passage = best_passage(RETURNS, question)
        assert passage.startswith(begins)
        assert holds in passage

    @pytest.mark.parametrize("question", ["", "what is this", "elephants?"])
    def test_is_the_beginning_where_nothing_is_about_it(self, question: str) -> None:
        assert best_passage(RETURNS, question).startswith("Send back anything within 30 days.")

    def test_of_nothing_is_nothing(self) -> None:
        assert best_passage("", "why?") == ""
        assert best_passage("# Only a title", "why?") == ""

    def test_takes_the_whole_list_and_what_introduces_it(self) -> None:
        steps = "\n".join(f"{number}. Step {number}, with some words" for number in range(1, 11))
        body = f"# A\n\n{'Other things. ' * 60}\n\nDo it like this:\n\n{steps}\n\n{'More. ' * 90}"
        passage = best_passage(body, "what is step 7?", limit=400)
        assert passage == f"A\n\nDo it like this:\n\n{steps}"

    def test_cuts_a_long_list_after_an_item(self) -> None:
        steps = "\n".join(f"{number}. Turn the wheel" for number in range(1, 100))
        passage = best_passage(steps, "wheel", limit=100)
        kept = "\n".join(f"{number}. Turn the wheel" for number in range(1, 6))
        assert passage == f"{kept}\n…"

    def test_begins_a_long_paragraph_at_the_sentence_about_it(self) -> None:
        body = "Nothing. " * 100 + "The helmet is blue. " + "Nothing. " * 100
        passage = best_passage(body, "which colour is a helmet?", limit=60)
        assert passage.startswith("The helmet is blue. Nothing.")
        assert passage.endswith(" …")

    @settings(max_examples=300, deadline=None)
    @given(
        st.text("ab #*-_`[]()|>.1\n\\<&~!=", max_size=400),
        st.text("ab *[", max_size=40),
        st.integers(0, 120),
    )
    def test_is_never_too_long_nor_cut_within_a_word(
        self, body: str, question: str, limit: int
    ) -> None:
        passage = best_passage(body, question, limit=limit)
        assert len(passage) <= max(limit, 1)
        assert set(passage.replace("…", "").split()) <= set(plain(body).split())

    @pytest.mark.parametrize(
        "pattern",
        [
            *("*", "**a", "[", "[a](", "`", "_a", "_ ", "_a_b", "<a", "|", "- ", "#", "* ", "> "),
            *("\\", "![a", '![](a "', "~~a", "&a", "- - ", "a\n|-|\n", "1. a\n\n", " ", "\n"),
        ],
    )
    def test_takes_no_longer_for_hostile_articles(self, pattern: str) -> None:
        body = pattern * (100_000 // len(pattern))
        began = time.process_time()
        best_passage(body, "what is a b x?")
        assert time.process_time() - began < 2


def test_words_of_the_title_choose_no_section() -> None:
    body = """
Wait two days, then write to us.

## It arrived broken

Take pictures.

## Somebody else took it

Ask your neighbours.
"""
    question = "My parcel has not arrived, where is it?"
    assert best_passage(body, question).startswith("It arrived broken")
    assert best_passage(body, question, title="My parcel has not arrived").startswith("Wait two")
