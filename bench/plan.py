"""What is measured, and in which order."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from bench.figures import (
    accepting,
    answering,
    chat_posting,
    chat_sending,
    creating,
    lifecycle,
    memory,
    messages,
    rooms,
    streaming,
    visitors,
    xmpp_hearing,
    xmpp_replying,
)
from bench.figures.growth import Growth
from bench.rig import Rig
from bench.rows import Row

FIGURES = range(1, 15)


@dataclass(frozen=True, slots=True)
class Step:
    """Measures a figure, or a part of one, with the floors that belong to it."""

    figure: int
    what: str
    measure: Callable[[], Awaitable[list[Row]]]


def plan(rig: Rig, only: Iterable[int]) -> list[Step]:
    """The steps for these figures.

    Memory comes first because it must be idle, then what needs a nearly empty database; the
    ticket store is filled when all else was measured with few.
    """
    growth = Growth(rig)
    steps = [
        Step(8, "memory, idle", lambda: memory.idle(rig)),
        Step(7, "with few tickets", growth.with_few),
        Step(2, "post -> answered, beside floor A", lambda: answering.measure(rig)),
        Step(3, "post -> socket, beside floor B", lambda: streaming.measure(rig)),
        Step(9, "a visitor's post -> agent, beside floor B", lambda: chat_posting.measure(rig)),
        Step(10, "a visitor's socket -> agent, beside floor F", lambda: chat_sending.measure(rig)),
        Step(13, "a stanza -> agent's socket, beside floor G", lambda: xmpp_hearing.measure(rig)),
        Step(14, "a reply -> person's stanza, beside floor G", lambda: xmpp_replying.measure(rig)),
        Step(4, "lifecycle updates, beside floor C", lambda: lifecycle.measure(rig)),
        Step(12, "accepts, beside floor C", lambda: accepting.measure(rig)),
        Step(1, "messages handled, beside floor C", lambda: messages.measure(rig)),
        Step(5, "tickets created, beside floor D", lambda: creating.measure(rig)),
        Step(6, "rooms, beside floor E", lambda: rooms.measure(rig)),
        Step(11, "visitors and the queue, beside floor E", lambda: visitors.measure(rig)),
        Step(7, "with many tickets", growth.with_many),
        Step(8, "memory with open threads", lambda: memory.with_open_threads(rig)),
    ]
    wanted = set(only)
    return [step for step in steps if step.figure in wanted]
