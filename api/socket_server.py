"""python-socketio with the limits that it leaves out, and nothing of what is said.

What is added, measured or read in python-socketio 5.18 and python-engineio 4.15:

- Text only. A client could announce any number of binary attachments, and have them all kept.
- Strict JSON, and no event may be called `connect` or `disconnect`: the library would run our
  handlers of those names.
- Three bad frames end a connection, and so does saying nothing sensible within ten seconds. The
  library keeps a transport open that was refused, or never asked to be let in. Of those there are
  only so many for each address.
- What waits to be sent to a client is bounded. The library's queues are not. A client that does
  not take it is dropped; it comes back with `afterSeq` and has lost nothing.
- Whatever is no frame, and an upgrade that comes to nothing, ends cleanly and soon. The library
  fails at the one and waits forever for the other, and for a client to take its last packet.
- A client's calls reach the receiver one by one, as plain function calls that never wait. The
  library starts a task for each, which lets them overtake each other, as many as a client sends.
- An event is encoded once and queued for a thousand sockets in one go, without a task for each.

This overrides methods of the library that begin with an underscore, so its version is pinned.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import socketio
from engineio.async_socket import AsyncSocket
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio.packet import ACK, EVENT

from api.socket_frames import MAX_FRAME, FrameSocket, OutgoingQueue, StrictJson, TextPacket
from api.socket_receiver import Call, NotNow, Receiver, Refused, address_in, handshake_in
from api.socket_seats import Strangers
from api.socket_tasks import Tasks
from api.streams import Gone

_MAX_BACKLOG = 4_000_000
"""Characters that may wait for a client: more than the largest page of a log, see `PAGE`."""
_PATIENCE = 30.0
"""Seconds that a client may take for what it was sent while it catches up."""
_TIME_TO_CONNECT = 10.0
_BAD_FRAMES = 3
_ROOT = "/"
"""The only namespace, in Socket.IO's sense, that there is."""

# What clients send wrongly is counted, and not worth a line each, let alone a traceback.
_QUIET = logging.getLogger("holdfast.socketio")
_QUIET.setLevel(logging.CRITICAL)


Payload = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Plain JSON."""


@dataclass(slots=True, eq=False)
class _Transport:
    """An Engine.IO connection, over which a client may or may not be connected."""

    id: str
    address: str
    reaper: asyncio.TimerHandle | None = None
    bad_frames: int = 0
    connected: bool = False
    dropped: bool = False

    def spare(self) -> None:
        if self.reaper is not None:
            self.reaper.cancel()
            self.reaper = None


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """Clients of one api process. An `Outlet` for streams, and for the queue's board."""

    def __init__(
        self, receiver: Receiver, frontend_url: str | None, strangers_per_address: int
    ) -> None:
        super().__init__(
            async_mode="asgi",
            serializer=TextPacket,
            json=StrictJson,
            max_http_buffer_size=MAX_FRAME,
            cors_allowed_origins=_origins(frontend_url),
            cors_credentials=False,
            logger=_QUIET,
            engineio_logger=_QUIET,
        )
        self.eio.create_queue = OutgoingQueue
        self.eio.disconnect = self._end_transport
        self.eio._async = {**self.eio._async, "websocket": FrameSocket}
        self.on("connect", self._judge)
        self.on("disconnect", self._disconnected)
        self._receiver = receiver
        self._transports: dict[str, _Transport] = {}
        self._strangers: Strangers[_Transport] = Strangers(strangers_per_address)
        self._tasks = Tasks()

    def strangers(self, address: str) -> int:
        """How many connections of an address have not been let in."""
        return self._strangers.count(address)

    def send(self, event: str, payload: Payload, to: Iterable[str]) -> None:
        """Queue an event for each of these sockets; see `Outlet`."""
        packet = EnginePacket(MESSAGE, TextPacket(EVENT, [event, payload]).encode())
        for sid in to:
            self._queue(sid, packet)

    def answer(self, sid: str, ack: int, result: object) -> None:
        self._queue(sid, EnginePacket(MESSAGE, TextPacket(ACK, [result], id=ack).encode()))

    async def drained(self, sid: str) -> None:
        """Wait until a client has taken what was queued for it; see `Outlet`."""
        socket = self._engine_socket(sid)
        if socket is None:
            raise Gone
        try:
            async with asyncio.timeout(_PATIENCE):
                await socket.queue.join()
        except TimeoutError:
            self.drop(sid)
        if socket.closed:
            raise Gone

    def drop(self, sid: str) -> None:
        """End a client's connection at once. It will try to come back."""
        transport = self._transport_of(sid)
        if transport is not None:
            self._drop(transport)

    async def end(self, sid: str) -> None:
        """Tell a client that it is no longer welcome. It will not come back by itself."""
        transport = self._transport_of(sid)
        await self.disconnect(sid)
        if transport is not None:
            self._await_connect(transport)

    async def shutdown(self) -> None:
        await self._tasks.end()
        await super().shutdown()

    def _queue(self, sid: str, packet: EnginePacket) -> None:
        socket = self._engine_socket(sid)
        if socket is None:
            return
        if socket.queue.backlog > _MAX_BACKLOG:
            self.drop(sid)
        else:
            socket.queue.put_nowait(packet)

    def _engine_socket(self, sid: str) -> AsyncSocket | None:
        socket = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, _ROOT))
        return None if socket is None or socket.closed else socket

    def _transport_of(self, sid: str) -> _Transport | None:
        return self._transports.get(self.manager.eio_sid_from_sid(sid, _ROOT))

    def _await_connect(self, transport: _Transport) -> None:
        if self._transports.get(transport.id) is not transport:
            return
        transport.connected = False
        transport.spare()
        loop = asyncio.get_running_loop()
        transport.reaper = loop.call_later(_TIME_TO_CONNECT, self._drop, transport)
        surplus = self._strangers.add(transport.address, transport)
        if surplus is not None:
            self._drop(surplus)

    def _count_bad_frame(self, transport: _Transport) -> None:
        transport.bad_frames += 1
        if transport.bad_frames >= _BAD_FRAMES:
            self._drop(transport)

    def _drop(self, transport: _Transport) -> None:
        socket = self.eio.sockets.get(transport.id)
        if socket is None or transport.dropped:
            return
        transport.dropped = True
        self._strangers.remove(transport.address, transport)
        socket.queue.clear()
        reason = self.reason.SERVER_DISCONNECT
        self._tasks.start(socket.close(wait=False, abort=True, reason=reason))

    async def _end_transport(self, eio_sid: str) -> None:
        """For the library, which would wait until the client takes what was queued for it."""
        transport = self._transports.get(eio_sid)
        if transport is not None:
            self._drop(transport)

    async def _judge(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        try:
            await self._receiver.connect(sid, handshake_in(environ, auth))
        except Refused as refusal:
            data = {"code": refusal.code, "message": str(refusal)}
            raise socketio.exceptions.ConnectionRefusedError(str(refusal), data) from None
        except NotNow:
            self.drop(sid)
            raise socketio.exceptions.ConnectionRefusedError from None
        transport = self._transport_of(sid)
        if transport is not None:
            self._strangers.remove(transport.address, transport)

    async def _disconnected(self, sid: str, _reason: str) -> None:
        self._receiver.disconnected(sid)

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        transport = self._transports[eio_sid] = _Transport(eio_sid, address_in(environ))
        self._await_connect(transport)

    async def _handle_eio_message(self, eio_sid: str, data: object) -> None:
        transport = self._transports.get(eio_sid)
        if transport is None or transport.dropped:
            return
        # The library takes an empty frame for an event.
        if not isinstance(data, str) or not data:
            self._count_bad_frame(transport)
            return
        try:
            await super()._handle_eio_message(eio_sid, data)
        except ValueError:
            self._count_bad_frame(transport)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        transport = self._transports.pop(eio_sid, None)
        if transport is not None:
            transport.spare()
            self._strangers.remove(transport.address, transport)
        await super()._handle_eio_disconnect(eio_sid, reason)
        # The library fails at a POST to one that is closed and still there.
        socket = self.eio.sockets.pop(eio_sid, None)
        if socket is not None:
            # Whoever waits for something to send stops at None; closing would leave it waiting.
            socket.queue.put_nowait(None)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: object) -> None:
        await super()._handle_connect(eio_sid, namespace, data)
        transport = self._transports.get(eio_sid)
        sid = self.manager.sid_from_eio_sid(eio_sid, _ROOT)
        if transport is None or transport.dropped:
            # It went while it was judged, and the library lets it in all the same.
            await super()._handle_disconnect(eio_sid, namespace)
        elif transport.connected:
            return
        elif sid is None:
            self._count_bad_frame(transport)
        else:
            transport.spare()
            transport.connected = True
            self._receiver.connected(sid)

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        await super()._handle_disconnect(eio_sid, namespace, reason)
        transport = self._transports.get(eio_sid)
        if transport is not None and self.manager.sid_from_eio_sid(eio_sid, _ROOT) is None:
            self._await_connect(transport)

    async def _handle_event(
        self, eio_sid: str, namespace: str | None, ack: int | None, data: list[Any]
    ) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, _ROOT)
        if namespace in (None, _ROOT) and self.manager.is_connected(sid, _ROOT):
            self._receiver.called(sid, Call(data[0], data[1:], ack))


def _origins(frontend_url: str | None) -> Callable[[str, Mapping[str, Any]], bool] | None:
    """Browsers may come from our own origin and from the front end's.

    None stands for our own origin. (An empty list would switch the check off.)
    """
    if frontend_url is None:
        return None
    front_end = frontend_url.rstrip("/")

    def is_allowed(origin: str, environ: Mapping[str, Any]) -> bool:
        own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST')}"
        return origin in (front_end, own)

    return is_allowed
