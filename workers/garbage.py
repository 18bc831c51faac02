"""How often the garbage collector looks at everything."""

import gc


def collect_less() -> None:
    """Leave what was loaded at the start alone, and look at the rest less often.

    By default each few thousand objects lead to a walk over all of them; in a busy worker that
    was a sixth of its time, and found nothing: what is made for a message goes with it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 20)
