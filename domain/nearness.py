"""How much it says that a question and an article are near in meaning: pure arithmetic, no I/O.

What a similarity says depends on the model: for one, 0.5 is the right article, for another the
least that any two texts have. So it is measured against the *background*: how similar to the same
question an article is that has nothing to do with it. An article *stands out* by the share of the
way from there to 1, the same text, that it has covered.
"""

ENOUGH_ARTICLES = 8
"""With fewer, nobody knows what the background is."""

_SURE = 0.6
"""The coverage from which the built-in assistant answers."""
_SURE_AT = 0.5
"""By how much an article stands out that is taken to cover so much."""
WORTH_SHOWING = 0.2
"""What stands out by less is near by chance."""


def standing(similarity: float, background: float) -> float:
    """From 0 to 1: by how much it stands out."""
    if background >= 1:
        return 0.0
    return min(1.0, max(0.0, (similarity - background) / (1 - background)))


def coverage(standing: float) -> float:
    """From 0 to 1: the coverage by words (see `domain.knowledge.Found`) that is worth as much.

    Chosen, not measured: by what makers of models tell of theirs, articles that answer a question
    in other words stand out by 0.4 to 0.6, those that are about the like and do not answer it by
    0.2 to 0.35. The built-in assistant begins to answer at half, because a wrong answer costs more
    than a question that waits for a person; half of the right ones it leaves to people.
    """
    return min(1.0, standing * _SURE / _SURE_AT)
