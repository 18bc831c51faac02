"""What can go wrong while measuring."""


class CannotMeasure(Exception):
    """A figure cannot be told; the others can. The message says why."""


class UnexpectedAnswer(CannotMeasure):
    """A server answered something else than it should."""


class TookTooLong(CannotMeasure):
    """What was waited for has not come."""
