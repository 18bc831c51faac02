"""What a similarity says depends on what else is similar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.sureness import SURE
from domain import nearness

cosine = st.floats(-1, 1)


@given(cosine, cosine)
def test_everything_is_a_share(similarity: float, background: float) -> None:
    standing = nearness.standing(similarity, background)
    assert 0 <= standing <= 1
    assert 0 <= nearness.coverage(standing) <= 1


@given(cosine, cosine)
def test_who_is_no_nearer_than_others_says_nothing(one: float, other: float) -> None:
    assert nearness.coverage(nearness.standing(min(one, other), max(one, other))) == 0


@pytest.mark.parametrize(
    ("similarity", "background", "sure"),
    [
        (0.7, 0.15, True),
        (0.59, 0.15, False),
        (0.4, 0.15, False),
        (0.9, 0.75, True),
        (0.87, 0.75, False),
        (0.8, 0.75, False),
    ],
)
def test_models_are_measured_by_their_own_background(
    similarity: float, background: float, sure: bool
) -> None:
    covered = nearness.coverage(nearness.standing(similarity, background))
    assert (covered >= SURE) is sure
