from bridge.clients import Clients
from store.xmpp import MOST_CLIENTS

ADA, BOB = "ada@example.org", "bob@example.org"


def test_latest_word_of_a_client_counts() -> None:
    clients: Clients[str] = Clients(10)
    for told in ("away", "dnd"):
        assert clients.put(ADA, "phone", told)
    assert (clients.get(ADA, "phone"), len(clients)) == ("dnd", 1)
    assert clients.get(ADA, "desk") is None


def test_one_person_takes_nobody_s_place() -> None:
    clients: Clients[str] = Clients(1_000)
    kept = [clients.put(ADA, f"{number}", "away") for number in range(1_000)]
    assert kept.count(True) == len(clients) == MOST_CLIENTS
    assert clients.put(ADA, "0", "dnd")
    assert clients.put(BOB, "phone", "away")


def test_all_together_have_a_bound() -> None:
    clients: Clients[str] = Clients(2)
    assert [clients.put(jid, "phone", "away") for jid in (ADA, BOB, "eve@x")] == [True, True, False]


def test_who_leaves_makes_room() -> None:
    clients: Clients[str] = Clients(2)
    for resource in ("desk", "phone"):
        clients.put(ADA, resource, "away")
    assert clients.pop(ADA, "desk") == "away"
    assert clients.pop(ADA, "desk") is None
    assert list(clients) == [(ADA, "phone")]
    assert clients.put(BOB, "phone", "away")
    clients.pop_all(ADA)
    assert (list(clients), len(clients)) == ([(BOB, "phone")], 1)
    clients.clear()
    assert not clients
