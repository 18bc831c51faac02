"""Figure 3: how long a message takes from the POST to another client's socket, at 50 a second."""

from collections.abc import Awaitable, Callable, Sequence

from bench.client.audience import TICKET, audience
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, now, p50, p99, paced

Post = Callable[[str, str], Awaitable[None]]
"""Writes into a thread; gets its id and the content."""


async def measure(rig: Rig) -> list[Row]:
    floors: list[float] = []
    figures: list[float] = []
    for _ in range(rig.sizes.rounds):
        floors += await to_sockets_of_floor(rig)
        figures += await _to_sockets_of_tickets(rig)
    floor = in_ms(p50(floors))
    rate = rig.sizes.paced_rate
    return [
        Row(figure="B", what=f"insert -> socket at {rate}/s, p50", unit="ms", measured=floor),
        Row(
            figure="B",
            what=f"insert -> socket at {rate}/s, p99",
            unit="ms",
            measured=in_ms(p99(floors)),
        ),
        Row(
            figure="3",
            what=f"post -> another client's socket at {rate}/s, p50",
            unit="ms",
            measured=in_ms(p50(figures)),
            floor=floor,
            floor_name="B",
            reach=Reach.at_most(2.5),
        ),
        Row(
            figure="3",
            what=f"post -> another client's socket at {rate}/s, p99",
            unit="ms",
            measured=in_ms(p99(figures)),
            floor=in_ms(p99(floors)),
            floor_name="B",
            reach=Reach.no_more_than(30),
        ),
    ]


async def to_sockets_of_floor(rig: Rig) -> list[float]:
    """Floor B."""

    async def post(thread: str, content: str) -> None:
        body = {"thread": thread, "content": content}
        await rig.floors.api.http.post("/insert-and-emit", body)

    threads = [f"thread-{number}" for number in range(rig.sizes.paced_sockets)]
    return await latencies(rig, rig.floors.api.url, threads, post)


async def _to_sockets_of_tickets(rig: Rig) -> list[float]:
    ticket_ids = await rig.desk.open_tickets(rig.sizes.paced_sockets)
    taken = await latencies(rig, rig.house.url, ticket_ids, rig.desk.write)
    await rig.desk.until_handled()
    return taken


async def latencies(
    rig: Rig, url: str, threads: Sequence[str], post: Post, kind: str = TICKET
) -> list[float]:
    """Seconds from each POST to the one socket that follows the thread."""
    sent_at: dict[str, float] = {}

    async with audience(url, kind) as listening:

        async def send(number: int) -> None:
            content = f"message {number}"
            sent_at[content] = now()
            await post(threads[number % len(threads)], content)

        await listening.connect([rig.house.agent_token] * len(threads))
        await listening.follow(threads)
        await paced(rig.sizes.paced_rate, rig.sizes.paced_posts, send)
        return [
            await listening.until_heard(content, by=1) - sent for content, sent in sent_at.items()
        ]
