"""Figure 14: how long an agent's reply takes from the POST to the person's XMPP client."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.client.correspondent import Correspondent
from bench.figures.xmpp_hearing import BareClients, Send, paced_to_clients
from bench.rig import Rig
from bench.rows import Row
from bench.sizes import Sizes
from bench.support import Person, open_support
from bench.timing import in_ms, now, p50, p99

_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds until the client has it: at a steady pace, and one after the other."""

    paced: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


async def measure(rig: Rig) -> list[Row]:
    sizes = rig.sizes
    floor, figure = _Taken(), _Taken()
    async with open_support(rig) as support:
        bare = await BareClients.of(support)
        # One reply a second is the most that anybody gets: nobody writes faster.
        people = await support.people(min(sizes.paced_rate, sizes.paced_posts))
        for _ in range(sizes.rounds):
            await _measure(sizes, [bare.receiver], bare.send, floor)
            await _measure(sizes, [each.client for each in people], _replies(rig, people), figure)
            await rig.desk.until_handled()
    return _rows(floor, figure, f"at {sizes.paced_rate}/s")


def _replies(rig: Rig, people: Sequence[Person]) -> Send:
    async def reply(which: int, text: str) -> None:
        await rig.desk.write(people[which].ticket_id, text, by="agent")

    return reply


async def _measure(
    sizes: Sizes, clients: Sequence[Correspondent], send: Send, taken: _Taken
) -> None:
    alone = await _alone_to_clients(_WARM_UP + sizes.alone_posts, clients, send)
    taken.alone.extend(alone[_WARM_UP:])
    taken.paced.extend(await paced_to_clients(sizes, clients, send))


async def _alone_to_clients(
    count: int, clients: Sequence[Correspondent], send: Send
) -> list[float]:
    """The next text is sent when the one before has come."""
    taken: list[float] = []
    for number in range(count):
        which, text = number % len(clients), f"alone {number}"
        sent_at = now()
        await send(which, text)
        taken.append(await clients[which].until_heard(text) - sent_at)
    return taken


def _rows(floor: _Taken, figure: _Taken, pace: str) -> list[Row]:
    ours = "XMPP: agent's post -> person's stanza"
    alone = in_ms(p50(floor.alone))
    return [
        Row(figure="G", what="bare XMPP client -> another, alone, p50", unit="ms", measured=alone),
        Row(
            figure="14",
            what=f"{ours} {pace}, p50",
            unit="ms",
            measured=in_ms(p50(figure.paced)),
            floor=in_ms(p50(floor.paced)),
            floor_name="G",
        ),
        Row(
            figure="14",
            what=f"{ours} {pace}, p99",
            unit="ms",
            measured=in_ms(p99(figure.paced)),
            floor=in_ms(p99(floor.paced)),
            floor_name="G",
        ),
        Row(
            figure="14",
            what=f"{ours}, alone, p50",
            unit="ms",
            measured=in_ms(p50(figure.alone)),
            floor=alone,
            floor_name="G",
        ),
    ]
