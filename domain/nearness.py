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
_SURE_AT = 0.55
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

    Measured with one model, all-MiniLM-L6-v2, on the articles and the questions by which
    `assistant.sureness.SURE` was chosen too. Of 27 questions that no article answers the nearest
    article stood out by 0.19 in the middle and by 0.52 at most; of 92 others the right one by 0.39
    in the middle, and the best of the wrong ones by 0.17, and by 0.39 at most. So the built-in
    assistant begins to answer at 0.55, where it answered none of the 27: a wrong answer costs more
    than a question that waits for a person. And with 0.2 as what is worth showing, words and
    meaning together most often had the right article first (83), and among the first three (90).

    Of the questions that were written afterwards, 15 and 30, it answered none and 13, all rightly,
    as by words alone. Other models were not measured.
    """
    return min(1.0, standing * _SURE / _SURE_AT)
