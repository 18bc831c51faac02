"""When the built-in assistant may answer."""

SURE = 0.6
"""The least coverage (see `domain.knowledge.Found`) of an article from which it answers.

Measured by `python -m bench.knowledge` with 14 public articles: the lowest of its steps at which
none of the 27 questions that no article answers was answered. Of 92 others 53 were answered
rightly, 3 wrongly, and 36 handed over. Of questions that were written afterwards, 30 and 15, it
answered 13, all rightly, and handed over the rest.
"""
