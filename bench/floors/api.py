"""Floors A, B, E and F as a process: `python -m bench.floors.api PORT DSN`.

A bare FastAPI endpoint that does one insert; the same with one python-socketio emit to a room;
the emit alone; and insert and emit for a socket that sends, which gets an acknowledgement.
Started once for A, B and F, and again for E, whose memory is measured.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import socketio
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from bench.floors.inserts import open_inserts


class Message(BaseModel):
    thread: str
    content: str


def create_app(dsn: str) -> socketio.ASGIApp:
    """Sockets subscribe to a room as they do to a ticket of Holdfast, and hear the same event."""
    sockets = socketio.AsyncServer(async_mode="asgi")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_inserts(dsn) as inserts:
            app.state.inserts = inserts
            yield

    app = FastAPI(lifespan=lifespan)

    async def emit(message: Message) -> None:
        event = {"ticketId": message.thread, "message": {"content": message.content}}
        await sockets.emit("ticket:message", event, room=message.thread)

    @sockets.on("subscribe")  # type: ignore[untyped-decorator]
    async def subscribe(sid: str, wanted: dict[str, str]) -> None:
        await sockets.enter_room(sid, wanted["ticketId"])

    @sockets.on("chat:send")  # type: ignore[untyped-decorator]
    async def send(_sid: str, sent: dict[str, str]) -> dict[str, int]:
        message = Message(thread=sent["conversationId"], content=sent["content"])
        entry_id = await app.state.inserts.insert(message.thread, message.content)
        await emit(message)
        return {"id": entry_id}

    @app.post("/insert")
    async def insert(message: Message) -> dict[str, int]:
        return {"id": await app.state.inserts.insert(message.thread, message.content)}

    @app.post("/insert-and-emit")
    async def insert_and_emit(message: Message) -> dict[str, int]:
        entry_id = await app.state.inserts.insert(message.thread, message.content)
        await emit(message)
        return {"id": entry_id}

    @app.post("/emit")
    async def emit_only(message: Message) -> dict[str, bool]:
        await emit(message)
        return {"emitted": True}

    return socketio.ASGIApp(sockets, app)


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[2]), port=int(sys.argv[1]), log_level="warning", access_log=False
    )
