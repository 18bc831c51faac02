"""TCP ports: take them, or say plainly who cannot have which."""

import errno
import socket
from collections.abc import Sequence

from holdfast.errors import InvalidSetting, PortTaken


def bind_all(
    host: str, ports: Sequence[int], setting: str = "HOLDFAST_PORT"
) -> list[socket.socket]:
    """Bind and listen on every port of `host`; the caller owns the sockets.

    Raises PortTaken, or InvalidSetting for a host or port that cannot be ours.
    """
    sockets: list[socket.socket] = []
    try:
        sockets.extend(_bind(host, port, setting) for port in ports)
    except BaseException:
        close_all(sockets)
        raise
    return sockets


def check_free(host: str, ports: Sequence[int], setting: str) -> None:
    """Raises PortTaken when somebody listens there already."""
    close_all(bind_all(host, ports, setting))


def close_all(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now. Somebody else may take it before you do."""
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _bind(host: str, port: int, setting: str) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        server = socket.create_server(address, family=family, backlog=2048)
    except socket.gaierror as error:
        raise InvalidSetting(f"HOLDFAST_HOST names no address of this machine: {host}.") from error
    except OSError as error:
        raise _refusal(error, host, port, setting) from error
    # asyncio sets this on sockets that it made itself. Without it an answer of two packets
    # waits 40 ms for the first one's acknowledgement; connections inherit it.
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


def _refusal(error: OSError, host: str, port: int, setting: str) -> InvalidSetting | PortTaken:
    match error.errno:
        case errno.EADDRINUSE:
            return PortTaken(
                f"Port {port} is taken by another program. "
                f"Stop it, or set {setting} to a free port."
            )
        case errno.EACCES:
            return InvalidSetting(f"Port {port} is not ours to take. Set {setting} above 1023.")
        case _:
            return InvalidSetting(f"HOLDFAST_HOST is no address of this machine: {host}.")
