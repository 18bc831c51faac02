"""Which hosts are asked for files, and which of them see our token."""

import pytest
from pydantic import SecretStr

from channels.accounts import Accounts, MessengerAccount, WhatsAppAccount, XAccount
from channels.media_hosts import MediaHosts, stand_ins
from domain.models import Channel

TOKEN = SecretStr("t0ken")
GRAPH = "https://graph.facebook.com/v24.0"


def accounts(graph: str = GRAPH, x: str = "https://api.x.com") -> Accounts:
    return Accounts(
        whatsapp=WhatsAppAccount("1", TOKEN, graph),
        messenger=MessengerAccount("2", TOKEN, graph),
        x=XAccount("3", TOKEN, x),
    )


@pytest.mark.parametrize(
    ("channel", "url", "known", "token"),
    [
        (Channel.WHATSAPP, "https://lookaside.fbsbx.com/whatsapp_business/?mid=1", True, True),
        (Channel.WHATSAPP, "https://scontent.xx.fbcdn.net/v/a.jpg", True, False),
        (Channel.WHATSAPP, "https://graph.facebook.com/v24.0/1", True, True),
        (Channel.FACEBOOK, "https://scontent.xx.fbcdn.net/v/a.jpg", True, False),
        (Channel.FACEBOOK, "https://lookaside.fbsbx.com/ig/?id=1", True, False),
        (Channel.TWITTER, "https://ton.twitter.com/1.1/ton/data/dm/1/a.jpg", True, True),
        (Channel.TWITTER, "https://pbs.twimg.com/a.jpg", True, False),
        (Channel.TWITTER, "https://scontent.xx.fbcdn.net/v/a.jpg", False, False),
        (Channel.EMAIL, "https://lookaside.fbsbx.com/a.jpg", False, False),
        (Channel.WHATSAPP, "http://lookaside.fbsbx.com/a.jpg", False, False),
        (Channel.WHATSAPP, "https://lookaside.fbsbx.com:8443/a.jpg", False, False),
        (Channel.WHATSAPP, "https://lookaside.fbsbx.com.evil.example/a.jpg", False, False),
        (Channel.WHATSAPP, "https://evilfbsbx.com/a.jpg", False, False),
        (Channel.WHATSAPP, "https://lookaside.fbsbx.com@evil.example/a.jpg", False, False),
        (Channel.WHATSAPP, "https://evil.example\\@lookaside.fbsbx.com/a.jpg", False, False),
        (Channel.WHATSAPP, "https://evil.example/?lookaside.fbsbx.com", False, False),
        (Channel.WHATSAPP, "ftp://lookaside.fbsbx.com/a.jpg", False, False),
        (Channel.WHATSAPP, "https://[::1/a.jpg", False, False),
        (Channel.WHATSAPP, "1234567890", False, False),
        (Channel.WHATSAPP, "", False, False),
    ],
)
def test_only_platforms_are_asked_and_only_some_see_the_token(
    channel: Channel, url: str, known: bool, token: bool
) -> None:
    hosts = MediaHosts.of(channel, accounts())
    assert hosts.know(url) is known
    assert hosts.headers(url) == ({"Authorization": "Bearer t0ken"} if token else {})


def test_stand_in_is_asked_at_its_own_port_alone() -> None:
    hosts = MediaHosts.of(Channel.TWITTER, accounts(x="http://127.0.0.1:9000"))
    assert hosts.know("http://127.0.0.1:9000/a.jpg")
    assert not hosts.know("http://127.0.0.1:9001/a.jpg")
    assert not hosts.know("https://127.0.0.1:9000/a.jpg")


def test_only_stand_ins_may_be_on_private_networks() -> None:
    assert stand_ins(accounts()) == frozenset()
    assert stand_ins(accounts("http://localhost:9000/v24.0", "http://[::1]:9001")) == frozenset(
        {"localhost:9000", "[::1]:9001"}
    )


def test_without_an_account_there_is_no_token() -> None:
    hosts = MediaHosts.of(Channel.FACEBOOK, Accounts())
    assert hosts.know("https://scontent.xx.fbcdn.net/v/a.jpg")
    assert hosts.headers("https://lookaside.fbsbx.com/a.jpg") == {}
