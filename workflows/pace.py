"""How often one thread is nudged."""

from collections import OrderedDict, deque
from uuid import UUID


class Pace:
    """Gives each thread `burst` turns at once, and no more than that in any `interval` seconds.

    What is written between two turns is found by the second. So a busy thread costs its workflow
    a few looks an interval, however many messages it gets; and a question with its answer, or a
    quiet thread, never waits.
    """

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._burst = burst
        self._turns: OrderedDict[UUID, deque[float]] = OrderedDict()

    def next_turn(self, thread_id: UUID, now: float) -> float | None:
        """When to nudge, on the clock of `now`; None when a turn is still to come anyway."""
        while self._turns and next(iter(self._turns.values()))[-1] <= now - self._interval:
            self._turns.popitem(last=False)
        turns = self._turns.setdefault(thread_id, deque(maxlen=self._burst))
        if turns and turns[-1] > now:
            return None
        turn = max(now, turns[0] + self._interval) if len(turns) == self._burst else now
        turns.append(turn)
        self._turns.move_to_end(thread_id)
        return turn
