"""Figure 9: how long a visitor's message takes from the POST to the agent's socket."""

from bench.client.audience import CONVERSATION
from bench.figures.streaming import latencies, to_sockets_of_floor
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, p50, p99


async def measure(rig: Rig) -> list[Row]:
    floors: list[float] = []
    figures: list[float] = []
    for _ in range(rig.sizes.rounds):
        floors += await to_sockets_of_floor(rig)
        figures += await _to_the_agent(rig)
    what = f"chat: visitor's post -> agent's socket at {rig.sizes.paced_rate}/s"
    return [
        Row(
            figure="9",
            what=f"{what}, p50",
            unit="ms",
            measured=in_ms(p50(figures)),
            floor=in_ms(p50(floors)),
            floor_name="B",
            reach=Reach.at_most(2.5),
        ),
        Row(
            figure="9",
            what=f"{what}, p99",
            unit="ms",
            measured=in_ms(p99(figures)),
            floor=in_ms(p99(floors)),
            floor_name="B",
            reach=Reach.no_more_than(30),
        ),
    ]


async def _to_the_agent(rig: Rig) -> list[float]:
    """Seconds, in conversations that the agent has accepted."""
    visitors = await rig.chat.begin_conversations(rig.sizes.paced_sockets)
    who = {visitor.conversation_id: visitor for visitor in visitors}

    async def post(conversation_id: str, content: str) -> None:
        await rig.chat.write(who[conversation_id], content)

    taken = await latencies(rig, rig.house.url, list(who), post, CONVERSATION)
    await rig.chat.close(visitors)
    return taken
