"""How often one thread is nudged."""

from collections import OrderedDict
from uuid import UUID


class Pace:
    """Gives each thread a turn at once, and then one every `interval` seconds at most.

    What is written between two turns is found by the second. So a busy thread costs its workflow
    a few looks a second, however many messages a second it gets; and a quiet one never waits.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._turns: OrderedDict[UUID, float] = OrderedDict()

    def next_turn(self, thread_id: UUID, now: float) -> float | None:
        """When to nudge, on the clock of `now`; None when a turn is still to come anyway."""
        while self._turns and next(iter(self._turns.values())) <= now - self._interval:
            self._turns.popitem(last=False)
        last = self._turns.get(thread_id, now - self._interval)
        if last > now:
            return None
        turn = max(now, last + self._interval)
        self._turns[thread_id] = turn
        self._turns.move_to_end(thread_id)
        return turn
