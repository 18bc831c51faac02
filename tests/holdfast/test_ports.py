import socket

import pytest

from holdfast.errors import InvalidSetting, PortTaken
from holdfast.ports import bind_all, check_free, close_all, free_port

HOST = "127.0.0.1"


def test_listens_on_every_port() -> None:
    ports = [free_port(), free_port()]
    sockets = bind_all(HOST, ports)
    for port in ports:
        socket.create_connection((HOST, port)).close()
    close_all(sockets)


def test_names_the_port_that_is_taken_and_its_setting() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"Port {port} is taken .* HOLDFAST_PORT"):
            bind_all(HOST, [free_port(), port])


def test_keeps_no_port_when_one_is_taken() -> None:
    free = free_port()
    with socket.create_server((HOST, 0)) as other, pytest.raises(PortTaken):
        bind_all(HOST, [free, other.getsockname()[1]])
    check_free(HOST, [free], "HOLDFAST_PORT")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_says_when_the_address_is_not_ours(host: str) -> None:
    with pytest.raises(InvalidSetting, match="HOLDFAST_HOST"):
        bind_all(host, [free_port()])
