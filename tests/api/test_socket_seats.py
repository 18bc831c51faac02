"""How many sockets there may be."""

import pytest

from api.socket_seats import Seats, Strangers
from domain.errors import TooManyRequests
from domain.principals import Principal, Role

JO, FLO = Principal(Role.VISITOR, "cust_jo"), Principal(Role.CUSTOMER, "flo")
AGENT, KEY = Principal(Role.AGENT, "a"), Principal(Role.SERVICE, "k")


class TestSeats:
    def test_of_one_customer(self) -> None:
        seats = Seats(per_customer=2, per_address=100)
        seats.take(JO, "here", 1)
        seats.take(JO, "there", 1)
        with pytest.raises(TooManyRequests):
            seats.take(JO, "anywhere", 1)
        seats.take(FLO, "here", 1)
        seats.give_back(JO, "there")
        seats.take(JO, "anywhere", 1)

    def test_at_one_address_with_those_who_are_unknown(self) -> None:
        seats = Seats(per_customer=100, per_address=3)
        seats.take(JO, "here", 3)
        with pytest.raises(TooManyRequests):
            seats.take(FLO, "here", 3)
        seats.take(FLO, "here", 2)
        seats.take(FLO, "there", 1)

    @pytest.mark.parametrize("caller", [AGENT, KEY])
    def test_the_desk_is_not_counted(self, caller: Principal) -> None:
        seats = Seats(per_customer=1, per_address=1)
        for _ in range(5):
            seats.take(caller, "here", 9)
        seats.give_back(caller, "here")
        seats.take(JO, "here", 1)

    def test_nothing_is_remembered_of_those_who_are_gone(self) -> None:
        seats = Seats(per_customer=1, per_address=1)
        seats.take(JO, "here", 1)
        seats.give_back(JO, "here")
        assert not seats._of
        assert not seats._at


class TestStrangers:
    def test_the_oldest_one_makes_room(self) -> None:
        strangers: Strangers[str] = Strangers(per_address=2)
        assert strangers.add("here", "1") is None
        assert strangers.add("here", "2") is None
        assert strangers.add("there", "3") is None
        assert strangers.add("here", "4") == "1"
        strangers.remove("here", "1")
        assert strangers.count("here") == 2

    def test_nothing_is_remembered_of_those_who_are_known(self) -> None:
        strangers: Strangers[str] = Strangers(per_address=2)
        strangers.add("here", "1")
        strangers.remove("here", "1")
        strangers.remove("here", "1")
        assert strangers.count("here") == 0
        assert not strangers._at
