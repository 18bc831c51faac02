"""The arithmetic of relevance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.relevance import (
    Mentions,
    closest,
    edits_forgiven,
    fuse,
    rate,
    strength,
    weight,
    words_of,
)

IN_TITLE, IN_TAGS, IN_BODY = (Mentions(1, 0, 0, 50), Mentions(0, 1, 0, 50), Mentions(0, 0, 1, 50))
counts = st.integers(0, 1_000)
mentions = st.builds(Mentions, counts, counts, counts, counts)


class TestWords:
    @pytest.mark.parametrize(
        ("question", "words"),
        [
            ("Hello, could you please tell me WHERE my order is?", "you me where my order is"),
            ("order, Order; ORDER!", "order"),
            ("don't snake_case 3.5 e-mail", "don t snake case 3 5 e mail"),
            ("Grüße aus Köln", "aus köln"),
            ("", ""),
            ("?! \u202e🦊 _", ""),
            ("x" * 61, ""),
        ],
    )
    def test_are_those_that_say_something_each_once(self, question: str, words: str) -> None:
        assert words_of(question) == words.split()

    def test_are_not_endless(self) -> None:
        assert len(words_of(" ".join(f"w{number}" for number in range(16_000)))) == 400


class TestWeight:
    def test_falls_the_more_articles_mention_a_word(self) -> None:
        weights = [weight(1_000, mentioning) for mentioning in range(1, 1_001)]
        assert weights == sorted(weights, reverse=True)
        assert weights[-1] > 0

    def test_of_an_unknown_word_is_that_of_the_rarest(self) -> None:
        assert weight(1_000, 0) == weight(1_000, 1)

    @given(st.integers(1, 10**6), st.integers(0, 10**6))
    def test_is_always_above_zero(self, articles: int, mentioning: int) -> None:
        assert weight(articles, min(articles, mentioning)) > 0


class TestStrength:
    def test_title_before_tags_before_body(self) -> None:
        assert strength(IN_TITLE) > strength(IN_TAGS) > strength(IN_BODY) > 0

    def test_a_long_article_mentions_by_chance(self) -> None:
        assert strength(Mentions(0, 0, 2, 5_000)) < strength(Mentions(0, 0, 2, 50))

    @given(mentions)
    def test_is_a_share(self, where: Mentions) -> None:
        assert 0 <= strength(where) < 1


class TestRate:
    def test_coverage_is_what_is_mentioned(self) -> None:
        assert rate([(0.5, IN_BODY), (0.25, IN_TAGS)])[1] == 0.75
        assert rate([]) == (0, 0)

    def test_coverage_in_passing_is_worth_half(self) -> None:
        assert rate([(0.5, IN_BODY), (0.25, IN_BODY)])[1] == 0.375

    @given(st.lists(mentions, min_size=1, max_size=32))
    def test_both_are_shares(self, found: list[Mentions]) -> None:
        score, coverage = rate([(1 / len(found), where) for where in found])
        assert 0 <= score <= 1
        assert 0 <= coverage <= 1


class TestFuse:
    def test_what_is_in_both_lists_comes_first(self) -> None:
        assert list(fuse([["a", "b", "c"], ["d", "c"]])) == ["c", "a", "d", "b"]

    def test_one_list_keeps_its_order(self) -> None:
        assert list(fuse([["b", "a", "c"], []])) == ["b", "a", "c"]

    def test_of_nothing_is_nothing(self) -> None:
        assert fuse([]) == {}


class TestSpelling:
    @pytest.mark.parametrize(
        ("word", "meant"),
        [
            ("retrun", "return"),
            ("retur", "return"),
            ("returrn", "return"),
            ("raturn", "return"),
            ("guarrantey", "guarantee"),
            ("return", "return"),
        ],
    )
    def test_slips_are_forgiven(self, word: str, meant: str) -> None:
        known = ["delivery", "guarantee", "order", "return", "yellow"]
        assert closest(word, known) == meant

    @pytest.mark.parametrize("word", ["lost", "cart", "12345", "elephant", "ruin", "returnees"])
    def test_other_words_are_not_taken_for_ours(self, word: str) -> None:
        assert closest(word, ["last", "card", "12346", "elegance", "return"]) is None

    def test_of_two_the_nearer_one_is_meant(self) -> None:
        assert closest("deliverise", ["deliver", "deliveries", "deliverist"]) == "deliveries"

    @given(st.text("abc", min_size=5, max_size=12), st.integers(0, 11), st.sampled_from("abcz"))
    def test_one_other_letter_is_always_forgiven(self, word: str, at: int, letter: str) -> None:
        at = min(at, len(word) - 1)
        assert closest(word[:at] + letter + word[at + 1 :], [word]) == word

    @given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=5))
    def test_what_is_meant_is_one_of_the_known(self, word: str, known: list[str]) -> None:
        assert closest(word, known) in {None, *known}
        assert edits_forgiven(word) in (0, 1, 2)
