"""Somebody who subscribes to webhooks: a real server, with the library that they would use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from channels.standard_webhooks import new_secret
from store import webhooks
from store.database import Database

Json = dict[str, Any]
PATIENCE = 60.0


class Subscriber:
    """Answers with `answers`, the first first, and then with `default`."""

    def __init__(self) -> None:
        self.url = ""
        self.host = ""
        self.secret = new_secret()
        self.default = 200
        self.answers: list[web.Response] = []
        self.ids: list[str] = []
        """Of every call, verified or not."""
        self.received: list[Json] = []
        """What was verified."""
        self.headers: list[dict[str, str]] = []
        self.hangs = False
        self._bodies: list[bytes] = []

    def verified_by(self, secret: str, call: int = -1) -> bool:
        try:
            Webhook(secret).verify(self._bodies[call], self.headers[call])
        except WebhookVerificationError:
            return False
        return True

    async def until_called(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.ids) < times:
                await asyncio.sleep(0.02)

    async def subscribe(self, database: Database, *events: str) -> UUID:
        async with database.begin() as session:
            made = await webhooks.create(
                session,
                url=self.url,
                events=list(events or ("*",)),
                description="",
                secret=self.secret,
                by="user:1",
            )
        return made.id

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._bodies.append(body)
        self.headers.append(headers)
        self.ids.append(headers["webhook-id"])
        if self.verified_by(self.secret):
            self.received.append(await request.json())
        while self.hangs:
            await asyncio.sleep(0.05)
        if self.answers:
            return self.answers.pop(0)
        return web.Response(status=self.default)


@asynccontextmanager
async def subscriber() -> AsyncIterator[Subscriber]:
    server = Subscriber()
    app = web.Application()
    app.router.add_post("/hook", server.take)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.host = f"{host}:{port}"
    server.url = f"http://{server.host}/hook"
    try:
        yield server
    finally:
        await runner.cleanup()
