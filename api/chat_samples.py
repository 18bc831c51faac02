"""Visitors who never were, for trying out a desk."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.conversation_life import ConversationPolicy
from domain.models import AuthorKind, Channel
from store import conversations, customers
from store.conversations import NewConversation
from store.customers import Introduction
from store.threads import Draft

_FIRST = (
    "Amara", "Bjarne", "Camille", "Dmitri", "Elif", "Farid", "Grace", "Hiroshi", "Ines", "Jonas",
    "Kofi", "Leila", "Mateo", "Noor", "Olga", "Priya", "Quentin", "Rosa", "Sven", "Thandi",
)  # fmt: skip
_LAST = (
    "Abara", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Ivanova",
    "Jansen", "Kim", "Lopez", "Moreau", "Novak", "Okafor", "Patel", "Rossi", "Sato", "Tan", "Weber",
)  # fmt: skip
_WORDS = (
    "Hi, my order {order} says delivered, but there is nothing at my door.",
    "Hello! I was charged twice for order {order}. Can you look into it?",
    "I cannot log in any more: the code by text message never arrives.",
    "How do I change the delivery address of order {order}? It goes to my old flat.",
    "The discount code from your newsletter is refused at checkout.",
    "Is it possible to return shoes that I wore once? They are too small.",
    "My invoice for order {order} has the wrong company name on it.",
    "The app closes as soon as I open my basket. I have an Android phone.",
    "Do you ship to Norway, and what does it cost?",
    "I want to cancel my subscription before it renews on Friday.",
    "The blender from order {order} came with a crack in the jar. I have photos.",
    "Good morning, when is the blue one back in stock?",
)


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    phone: str
    words: str


def samples(count: int, chance: random.Random) -> Iterator[Sample]:
    for number in range(count):
        yield Sample(
            name=f"{chance.choice(_FIRST)} {chance.choice(_LAST)}",
            # Numbers that are kept free for stories.
            phone=f"+120255501{chance.randrange(100):02}",
            words=_WORDS[number % len(_WORDS)].format(order=chance.randrange(100_000, 1_000_000)),
        )


async def play(session: AsyncSession, sample: Sample, policy: ConversationPolicy) -> UUID:
    """Put a sample into the queue; it has to be nudged after the commit."""
    customer = await customers.meet(session, Introduction(Channel.WEB, name=sample.name))
    await customers.correct(session, customer, name=None, phone=sample.phone)
    new = NewConversation(customer.id, metadata={"sample": True})
    started = await conversations.start(session, new, policy.queue_timeout)
    row = await conversations.find(session, started.conversation_id, lock=True)
    first = Draft(
        AuthorKind.CUSTOMER, sample.words, author_id=str(customer.id), author_name=customer.name
    )
    await conversations.write(session, row, first)
    return started.conversation_id
