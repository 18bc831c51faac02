"""An outlet whose other side is the test, and tickets whose replies go out by it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

from domain.deliveries import Limit, Outgoing, Piece, piece_id, pieces_of
from domain.models import AuthorKind, Channel, DeliveryState
from store import customers, deliveries, tickets
from store.customers import Introduction
from store.deliveries import Progress
from store.threads import Draft
from store.tickets import NewTicket
from tests.workflows.desk import PATIENCE, Desk, thread_ref

ADDRESS = "ada@example.com"


class RecordingOutlet:
    """Keeps what is sent, and fails as it is told to: `fails[content]`, the first first.

    By default one that knows what became of an earlier attempt, as XMPP does.
    """

    def __init__(
        self, *, looks: bool = True, limits: Sequence[Limit] = (), longest: int = 16_000
    ) -> None:
        self.looks = looks
        self.limits = limits
        self._longest = longest
        self.name = f"test-{uuid4().hex}"
        self.sent: list[tuple[Outgoing, Piece]] = []
        self.tried: list[Outgoing] = []
        self.fails: dict[str, list[Exception]] = defaultdict(list)

    def pieces(self, outgoing: Outgoing) -> list[Piece]:
        return pieces_of(outgoing.content, outgoing.attachments, self._longest)

    def external_id(self, outgoing: Outgoing, piece: Piece) -> str | None:
        return f"out-{piece_id(outgoing, piece.number)}" if self.looks else None

    async def send(self, outgoing: Outgoing, piece: Piece) -> str | None:
        self.tried.append(outgoing)
        if self.fails[piece.text]:
            raise self.fails[piece.text].pop(0)
        self.sent.append((outgoing, piece))
        return f"theirs-{piece_id(outgoing, piece.number)}"

    def texts(self, thread_id: UUID) -> list[str]:
        return [piece.text for outgoing, piece in self.sent if outgoing.thread_id == thread_id]


async def open_pushed(desk: Desk, outlet: str) -> UUID:
    """A ticket whose replies go out."""
    async with desk.database.begin() as session:
        introduction = Introduction(Channel.XMPP, identities=(ADDRESS,))
        customer = await customers.meet(session, introduction)
        new = NewTicket(
            customer.id,
            Channel.XMPP,
            "Help",
            channel_identity=ADDRESS,
            outlet=outlet,
        )
        first = Draft(AuthorKind.CUSTOMER, "Hello")
        ticket_id = (await tickets.open_ticket(session, new, first, desk.policy)).ticket_id
    await desk.engine.nudge(thread_ref(ticket_id))
    return ticket_id


async def progress(desk: Desk, ticket_id: UUID) -> dict[int, Progress]:
    async with desk.database.begin() as session:
        return await deliveries.progress(session, ticket_id, range(100))


async def until(
    desk: Desk, ticket_id: UUID, fact: Callable[[dict[int, Progress]], bool]
) -> dict[int, Progress]:
    async with asyncio.timeout(PATIENCE):
        while not fact(known := await progress(desk, ticket_id)):
            await asyncio.sleep(0.01)
    return known


async def until_states(desk: Desk, ticket_id: UUID, *states: DeliveryState) -> None:
    """Of the messages that go out, in their order."""
    await until(
        desk, ticket_id, lambda known: tuple(known[seq].state for seq in sorted(known)) == states
    )
