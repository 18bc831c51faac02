"""JSON that nobody has announced: any at all, and bodies of a platform with parts exchanged."""

import copy
import random
from typing import Any

from hypothesis import strategies as st

_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("\0\ud800\udfff\n"), max_size=30
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**400), max_value=10**400),
    st.floats(),
    _TEXT,
    st.sampled_from(["1700000000", "9" * 20, "0", "-1", "x" * 501, "", " ", "text", "image"]),
)

any_json: st.SearchStrategy[Any] = st.recursive(
    _LEAVES,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(_TEXT, children, max_size=4),
    max_leaves=20,
)


_HARDLY_EXPECTED: st.SearchStrategy[Any] = st.sampled_from([[], {}, [[]], [{}], None, 7, ""])


def mutated(bodies: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    """One of these bodies, with some of its parts replaced by anything."""
    parts = st.lists(any_json | _HARDLY_EXPECTED, min_size=1, max_size=4)
    return st.builds(_mutate, st.sampled_from(bodies), st.randoms(), parts)


def _mutate(body: dict[str, Any], chance: random.Random, parts: list[Any]) -> Any:  # noqa: ANN401
    changed = copy.deepcopy(body)
    for part in parts:
        places = list(_places(changed))
        if places:
            holder, key = chance.choice(places)
            holder[key] = copy.deepcopy(part)
    return changed


def _places(value: Any) -> Any:  # noqa: ANN401
    """Each member of each object and list within, as its holder and its key."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in list(members):
        yield value, key
        if isinstance(member, dict | list):
            yield from _places(member)
