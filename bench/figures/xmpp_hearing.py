"""Figure 13: how long a message takes from a person's XMPP client to the agent's socket."""

from collections.abc import Awaitable, Callable, Sequence

from bench.client.correspondent import Correspondent
from bench.figures.streaming import latencies
from bench.rig import Rig
from bench.rows import Row
from bench.sizes import Sizes
from bench.support import Person, Support, open_support
from bench.timing import in_ms, now, p50, p99, paced

Send = Callable[[int, str], Awaitable[None]]
"""Has a text sent to a client; gets its number and the text."""


async def measure(rig: Rig) -> list[Row]:
    floors: list[float] = []
    figures: list[float] = []
    async with open_support(rig) as support:
        floor = await BareClients.of(support)
        people = await support.people(rig.sizes.paced_sockets)
        for _ in range(rig.sizes.rounds):
            floors += await paced_to_clients(rig.sizes, [floor.receiver], floor.send)
            figures += await _to_sockets(rig, support, people)
    return _rows(floors, figures, f"at {rig.sizes.paced_rate}/s")


class BareClients:
    """Floor G: one writes to the other, through the server that the bridge uses.

    Both live in our process, as whoever writes and hears in the figures does: so one clock times
    them, and as a message needs first the one and then the other, they do not compete. A process
    more would make the floor slower, and the figures look better.
    """

    def __init__(self, sender: Correspondent, receiver: Correspondent) -> None:
        self._sender = sender
        self.receiver = receiver

    @classmethod
    async def of(cls, support: Support) -> "BareClients":
        return cls(await support.come_online("sender"), await support.come_online("receiver"))

    async def send(self, _: int, text: str) -> None:
        self._sender.say(self.receiver.bare_jid, text)


async def paced_to_clients(
    sizes: Sizes, clients: Sequence[Correspondent], send: Send
) -> list[float]:
    """Seconds until the client to whom each text is sent has it; they take turns."""
    sent_at: list[float] = []

    async def send_on_time(number: int) -> None:
        sent_at.append(now())
        await send(number % len(clients), _text(number))

    await paced(sizes.paced_rate, sizes.paced_posts, send_on_time)
    return [
        await clients[number % len(clients)].until_heard(_text(number)) - sent
        for number, sent in enumerate(sent_at)
    ]


def _text(number: int) -> str:
    return f"message {number}"


async def _to_sockets(rig: Rig, support: Support, people: Sequence[Person]) -> list[float]:
    clients = {person.ticket_id: person.client for person in people}

    async def say(ticket_id: str, content: str) -> None:
        clients[ticket_id].say(support.jid, content)

    taken = await latencies(rig, rig.house.url, list(clients), say)
    await rig.desk.until_handled()
    return taken


def _rows(floors: Sequence[float], figures: Sequence[float], pace: str) -> list[Row]:
    bare, ours = "bare XMPP client -> another", "XMPP: person's stanza -> agent's socket"
    middle, rare = in_ms(p50(floors)), in_ms(p99(floors))
    return [
        Row(figure="G", what=f"{bare} {pace}, p50", unit="ms", measured=middle),
        Row(figure="G", what=f"{bare} {pace}, p99", unit="ms", measured=rare),
        Row(
            figure="13",
            what=f"{ours} {pace}, p50",
            unit="ms",
            measured=in_ms(p50(figures)),
            floor=middle,
            floor_name="G",
        ),
        Row(
            figure="13",
            what=f"{ours} {pace}, p99",
            unit="ms",
            measured=in_ms(p99(figures)),
            floor=rare,
            floor_name="G",
        ),
    ]
