"""How much is measured: enough for figures that hold, or just enough to prove that all works."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Counts are per round, unless they say otherwise.

    What is about speed is counted, what is about throughput has its time: so a run takes about
    as long on any machine.
    """

    rounds: int
    """Floor and figure take turns so often: what slows the machine for a while slows both."""
    callers: int
    """Who call at the same time, where it is about how much and not about how fast."""
    alone_posts: int
    alone_updates: int
    alone_tickets: int
    """What is measured alone is spread over so many tickets, so that none grows long."""
    busy: float
    """Seconds for which the callers keep calling."""
    threads: int
    """They write into so many tickets, or update so many workflows, in turn."""
    paced_posts: int
    """At `paced_rate` a second, whether or not the one before has been answered."""
    paced_rate: int
    paced_sockets: int
    sockets: int
    events: int
    """Each to a room of all the sockets; in all, not per round."""
    entering: int
    """Conversations that enter the queue at `paced_rate` while an agent looks; in all."""
    racers: int
    """Agents who reach for the same conversation."""
    raced: int
    """Conversations that all of them reach for at once."""
    few: int
    """Tickets stored at first."""
    many: int
    """Tickets stored in the end."""
    reads: int
    """Of each list."""
    open_threads: int
    opening: float
    """Seconds that opening them may take."""
    settle: float
    """Seconds of quiet before memory is read."""


FULL = Sizes(
    rounds=3,
    callers=16,
    alone_posts=150,
    alone_updates=60,
    alone_tickets=20,
    busy=4.0,
    threads=48,
    paced_posts=200,
    paced_rate=50,
    paced_sockets=10,
    sockets=1_000,
    events=20,
    entering=200,
    racers=10,
    raced=48,
    few=100,
    many=100_000,
    reads=60,
    open_threads=5_000,
    opening=60.0,
    settle=3.0,
)

SHORT = Sizes(
    rounds=1,
    callers=4,
    alone_posts=5,
    alone_updates=3,
    alone_tickets=2,
    busy=0.2,
    threads=4,
    paced_posts=10,
    paced_rate=50,
    paced_sockets=2,
    sockets=10,
    events=2,
    entering=10,
    racers=3,
    raced=3,
    few=40,
    many=400,
    reads=2,
    open_threads=30,
    opening=5.0,
    settle=0.1,
)
