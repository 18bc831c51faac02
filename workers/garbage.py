"""How much the garbage collector looks at."""

import gc


def leave_the_start_alone() -> None:
    """What was loaded at the start stays until the end: looking at it again and again was a
    sixth of a busy worker's time."""
    gc.collect()
    gc.freeze()
