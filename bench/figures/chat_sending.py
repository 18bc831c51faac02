"""Figure 10: how long a message takes from the visitor's socket to the agent's, and to its ack."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.client.audience import CONVERSATION, TICKET, audience
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, now, one_by_one, p50, p99, paced

_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds."""

    heard: list[float] = field(default_factory=list)
    """From `chat:send` to the agent's socket, at a steady pace."""
    acked: list[float] = field(default_factory=list)
    """From `chat:send` to its acknowledgement, with nobody else sending."""


async def measure(rig: Rig) -> list[Row]:
    floor, figure = _Taken(), _Taken()
    for _ in range(rig.sizes.rounds):
        await _over_floor(rig, floor)
        await _over_holdfast(rig, figure)
    return _rows(floor, figure, f"at {rig.sizes.paced_rate}/s")


def _rows(floor: _Taken, figure: _Taken, pace: str) -> list[Row]:
    middle, rare = in_ms(p50(floor.heard)), in_ms(p99(floor.heard))
    acked = in_ms(p50(floor.acked))
    bare, ours = "socket -> insert -> other socket", "chat: visitor's socket -> agent's socket"
    return [
        Row(figure="F", what=f"{bare} {pace}, p50", unit="ms", measured=middle),
        Row(figure="F", what=f"{bare} {pace}, p99", unit="ms", measured=rare),
        Row(figure="F", what="socket -> insert -> ack, alone, p50", unit="ms", measured=acked),
        Row(
            figure="10",
            what=f"{ours} {pace}, p50",
            unit="ms",
            measured=in_ms(p50(figure.heard)),
            floor=middle,
            floor_name="F",
            reach=Reach.at_most(2.5),
        ),
        Row(
            figure="10",
            what=f"{ours} {pace}, p99",
            unit="ms",
            measured=in_ms(p99(figure.heard)),
            floor=rare,
            floor_name="F",
            reach=Reach.no_more_than(30),
        ),
        Row(
            figure="10",
            what="chat:send -> ack, alone, p50",
            unit="ms",
            measured=in_ms(p50(figure.acked)),
            floor=acked,
            floor_name="F",
            note=f"p99 {in_ms(p99(figure.acked)):.1f} ms",
        ),
    ]


async def _over_floor(rig: Rig, taken: _Taken) -> None:
    threads = [f"thread-{number}" for number in range(rig.sizes.paced_sockets)]
    tokens = [rig.house.agent_token] * len(threads)
    await _talk(rig, rig.floors.api.url, TICKET, threads, tokens, taken)


async def _over_holdfast(rig: Rig, taken: _Taken) -> None:
    visitors = await rig.chat.begin_conversations(rig.sizes.paced_sockets)
    threads = [visitor.conversation_id for visitor in visitors]
    tokens = [visitor.token for visitor in visitors]
    await _talk(rig, rig.house.url, CONVERSATION, threads, tokens, taken)
    await rig.chat.close(visitors)


async def _talk(
    rig: Rig, url: str, kind: str, threads: Sequence[str], tokens: Sequence[str], taken: _Taken
) -> None:
    """Visitors with these tokens write, each into its thread; each has a socket listening."""
    sizes = rig.sizes
    sent_at: dict[str, float] = {}

    async with audience(url, kind) as agents, audience(url, kind) as visitors:

        async def send(number: int, content: str) -> None:
            which = number % len(threads)
            message = {"conversationId": threads[which], "content": content}
            await visitors.call(which, "chat:send", message)

        async def send_on_time(number: int) -> None:
            content = f"message {number}"
            sent_at[content] = now()
            await send(number, content)

        async def send_alone(number: int) -> None:
            await send(number, f"alone {number}")

        await agents.connect([rig.house.agent_token] * len(threads))
        await agents.follow(threads)
        await visitors.connect(tokens)
        await paced(sizes.paced_rate, sizes.paced_posts, send_on_time)
        for content, sent in sent_at.items():
            taken.heard.append(await agents.until_heard(content, by=1) - sent)
        taken.acked.extend(await one_by_one(sizes.alone_posts, send_alone, warm_up=_WARM_UP))
