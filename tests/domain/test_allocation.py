"""Who gets whom, for any queue and any agents."""

from collections import Counter
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.allocation import Available, Match, Waiting, match, may_serve

TAGS = st.frozensets(st.sampled_from(["billing", "sales", "german"]), max_size=2)
NAMES = ["ada", "bob", "eve", "jo"]


@st.composite
def agents(draw: st.DrawFn) -> list[Available]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return [
        Available(name, draw(TAGS), draw(st.integers(0, 4)), draw(st.integers(0, 5)))
        for name in names
    ]


@st.composite
def queues(draw: st.DrawFn) -> list[Waiting]:
    not_for = st.none() | st.sampled_from(NAMES)
    return [
        Waiting(UUID(int=number), draw(TAGS), draw(not_for))
        for number in range(draw(st.integers(0, 12)))
    ]


def waiting(number: int, *tags: str, not_for: str | None = None) -> Waiting:
    return Waiting(UUID(int=number), frozenset(tags), not_for)


def agent(name: str, *tags: str, capacity: int = 3, active: int = 0) -> Available:
    return Available(name, frozenset(tags), capacity, active)


def pairs(matches: list[Match]) -> list[tuple[int, str]]:
    return [(each.conversation_id.int, each.agent_id) for each in matches]


def suits(one: Available, conversation: Waiting) -> bool:
    return conversation.tags <= one.tags and one.agent_id != conversation.not_for


class TestByExample:
    def test_nobody_waits_or_nobody_is_there(self) -> None:
        assert match([], [agent("ada")]) == match([waiting(1)], []) == []

    def test_oldest_gets_the_last_place(self) -> None:
        assert pairs(match([waiting(1), waiting(2)], [agent("ada", capacity=1)])) == [(1, "ada")]

    def test_least_loaded_is_first(self) -> None:
        both = [agent("ada", active=2), agent("bob", active=1)]
        assert pairs(match([waiting(1)], both)) == [(1, "bob")]

    def test_equally_loaded_take_turns_by_id(self) -> None:
        queue = [waiting(number) for number in range(4)]
        assert pairs(match(queue, [agent("bob"), agent("ada")])) == [
            (0, "ada"),
            (1, "bob"),
            (2, "ada"),
            (3, "bob"),
        ]

    def test_agent_needs_every_tag(self) -> None:
        queue = [waiting(1, "billing", "german")]
        assert match(queue, [agent("ada", "billing")]) == []
        assert pairs(match(queue, [agent("bob", "billing", "german", "sales")])) == [(1, "bob")]

    def test_who_gave_it_back_does_not_get_it(self) -> None:
        queue = [waiting(1, not_for="ada"), waiting(2)]
        assert pairs(match(queue, [agent("ada", capacity=1)])) == [(2, "ada")]

    def test_one_whom_nobody_can_serve_holds_nobody_up(self) -> None:
        assert pairs(match([waiting(1, "sales"), waiting(2)], [agent("ada")])) == [(2, "ada")]

    def test_no_tags_are_served_by_anybody(self) -> None:
        assert may_serve(["sales"], [])
        assert not may_serve([], ["sales"])


class TestByProperty:
    @given(queues(), agents())
    def test_nobody_is_matched_twice(self, queue: list[Waiting], there: list[Available]) -> None:
        ids = [each.conversation_id for each in match(queue, there)]
        assert len(set(ids)) == len(ids)

    @given(queues(), agents())
    def test_nobody_gets_more_than_fits(self, queue: list[Waiting], there: list[Available]) -> None:
        given_to = Counter(each.agent_id for each in match(queue, there))
        for one in there:
            assert not given_to[one.agent_id] or (
                one.active + given_to[one.agent_id] <= one.capacity
            )

    @given(queues(), agents())
    def test_everybody_gets_what_suits(self, queue: list[Waiting], there: list[Available]) -> None:
        by_id = {each.conversation_id: each for each in queue}
        by_name = {each.agent_id: each for each in there}
        for each in match(queue, there):
            assert suits(by_name[each.agent_id], by_id[each.conversation_id])

    @given(queues(), agents())
    def test_each_in_turn_goes_to_the_least_loaded_who_suits(
        self, queue: list[Waiting], there: list[Available]
    ) -> None:
        """And so nobody is left who could be served while a suitable agent has room."""
        chosen = {each.conversation_id: each.agent_id for each in match(queue, there)}
        load = {one.agent_id: one.active for one in there}
        for each in queue:
            free = [one for one in there if suits(one, each) and load[one.agent_id] < one.capacity]
            taker = chosen.get(each.conversation_id)
            if not free:
                assert taker is None
                continue
            assert taker in {one.agent_id for one in free}
            assert taker is not None
            assert load[taker] == min(load[one.agent_id] for one in free)
            load[taker] += 1

    @given(queues(), agents(), st.randoms())
    def test_order_in_which_agents_are_found_is_of_no_matter(
        self, queue: list[Waiting], there: list[Available], random: Random
    ) -> None:
        shuffled = list(there)
        random.shuffle(shuffled)
        assert match(queue, shuffled) == match(queue, there)
