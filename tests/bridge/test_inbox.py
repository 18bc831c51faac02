import asyncio

from bridge.inbox import Inbox
from bridge.stanzas import Bounced, Missed, Received, Seen
from store.xmpp import MOST_CLIENTS


def numbered(number: int) -> Received:
    return Received("alice@example.com", str(number))


async def test_gives_in_order() -> None:
    inbox = Inbox()
    for number in range(5):
        assert inbox.put(numbered(number))
    assert [await inbox.take() for _ in range(5)] == [numbered(each) for each in range(5)]


async def test_wakes_who_waits() -> None:
    inbox = Inbox()
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.put(numbered(1))
    assert await taking == numbered(1)


async def test_says_once_that_something_was_missed() -> None:
    inbox = Inbox(room=2)
    assert [inbox.put(numbered(each)) for each in range(5)] == [True, True, False, False, False]
    assert [await inbox.take() for _ in range(3)] == [numbered(0), numbered(1), Missed()]
    assert inbox.put(numbered(5))
    assert await inbox.take() == numbered(5)


async def test_is_full_of_few_that_are_large() -> None:
    inbox = Inbox()
    large = Bounced("alice@example.com", "1", "gone", "\N{GRINNING FACE}" * 2**20)
    assert [inbox.put(large) for _ in range(5)] == [True, True, True, False, False]
    assert 0.7 < inbox.fullness < 1
    assert inbox.put(numbered(1))
    expected = [large, large, large, Missed(), numbered(1)]
    assert [await inbox.take() for _ in range(5)] == expected
    assert inbox.fullness == 0


async def test_takes_one_of_any_size() -> None:
    inbox = Inbox(space=1)
    assert inbox.put(numbered(1))
    assert not inbox.put(numbered(2))
    assert [await inbox.take() for _ in range(2)] == [numbered(1), Missed()]


async def test_says_again_that_something_was_missed_after_it() -> None:
    inbox = Inbox(room=2)
    for number in range(3):
        inbox.put(numbered(number))
    for _ in range(2):
        await inbox.take()
    inbox.put(numbered(3))
    inbox.put(numbered(4))
    assert [await inbox.take() for _ in range(3)] == [Missed(), numbered(3), Missed()]


async def test_keeps_the_latest_presence_of_each_device() -> None:
    inbox = Inbox(room=1, devices=2)
    inbox.put(Seen("a@x/1", available=True))
    inbox.put(Seen("a@x/2", available=True))
    assert not inbox.put(Seen("a@x/3", available=True))
    assert inbox.put(Seen("a@x/1", available=False))
    inbox.put(numbered(1))
    inbox.close()
    taken = [await inbox.take() for _ in range(4)]
    assert taken == [
        numbered(1),
        Seen("a@x/1", available=False),
        Seen("a@x/2", available=True),
        None,
    ]


async def test_one_person_s_devices_take_no_other_s_place() -> None:
    inbox = Inbox()
    kept = [inbox.put(Seen(f"a@x/{number}", available=True)) for number in range(20_000)]
    assert kept.count(True) == MOST_CLIENTS
    assert inbox.put(Seen("b@x/1", available=True))


async def test_gives_what_is_left_after_the_end() -> None:
    inbox = Inbox()
    inbox.put(numbered(1))
    inbox.close()
    assert await inbox.take() == numbered(1)
    assert await inbox.take() is None
    assert await inbox.take() is None
