"""Of several clients the most available one counts."""

from domain.presence import Presence, PresenceStatus, Show, most_available

GONE = Presence(status=PresenceStatus.UNAVAILABLE, show=None)


def here(show: Show | None) -> Presence:
    return Presence(status=PresenceStatus.AVAILABLE, show=show)


def test_most_available_comes_first() -> None:
    order = [*map(here, (Show.CHAT, None, Show.AWAY, Show.XA, Show.DND)), GONE]
    for position, best in enumerate(order):
        assert most_available(reversed(order[position:])) == best


def test_nothing_known_is_nothing_said() -> None:
    assert most_available([]) is None
