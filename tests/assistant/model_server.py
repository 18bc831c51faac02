"""A server that speaks OpenAI's chat completions and embeddings, and misbehaves as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.assistant.meanings import meaning_of

Behaviour = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]
"""From the request's body to an answer."""


class ModelServer:
    """`behaviours` answer one request each, the first first; then `default` does, and `embedding`
    where vectors are asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.default: Behaviour = says("I do not know.")
        self.embedding: Behaviour = embeds()
        self.behaviours: list[Behaviour] = []
        self.requests: list[dict[str, Any]] = []
        self.called_off = 0
        """Requests whose caller did not wait for the answer."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await self._behave(request, self.default)

    async def embed(self, request: web.Request) -> web.StreamResponse:
        return await self._behave(request, self.embedding)

    async def _behave(self, request: web.Request, default: Behaviour) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        behave = self.behaviours.pop(0) if self.behaviours else default
        try:
            return await behave(body)
        except asyncio.CancelledError:
            self.called_off += 1
            raise

    @property
    def prompts(self) -> str:
        """All that it was ever sent."""
        return json.dumps(self.requests, ensure_ascii=False)


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    server = ModelServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    app.router.add_post("/v1/embeddings", server.embed)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def says(text: str) -> Behaviour:
    return _completes({"role": "assistant", "content": text})


def calls(tool: str, arguments: object) -> Behaviour:
    """Calls a tool. Arguments that are text go out as they are, be they JSON or not."""
    spelled = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {
        "id": f"call_{tool}",
        "type": "function",
        "function": {"name": tool, "arguments": spelled},
    }
    return _completes({"role": "assistant", "content": None, "tool_calls": [call]})


def fails(status: int, **headers: str) -> Behaviour:
    async def behave(_: dict[str, Any]) -> web.StreamResponse:
        told = {"error": {"message": "no", "type": "error", "code": None}}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(told, status=status, headers=named)

    return behave


def babbles(body: str) -> Behaviour:
    """Answers 200 with whatever this is."""

    async def behave(_: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=body, content_type="application/json")

    return behave


def after(gate: asyncio.Event, then: Behaviour) -> Behaviour:
    async def behave(body: dict[str, Any]) -> web.StreamResponse:
        await gate.wait()
        return await then(body)

    return behave


def later(seconds: float, then: Behaviour) -> Behaviour:
    async def behave(body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(body)

    return behave


async def never(_: dict[str, Any]) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def embeds(*vectors: object) -> Behaviour:
    """One of these for each text, whatever they are and however many; without them, what the texts
    mean."""

    async def behave(body: dict[str, Any]) -> web.StreamResponse:
        made = vectors or [meaning_of(text) for text in body["input"]]
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(made)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        listed = {"object": "list", "data": data, "model": body["model"], "usage": usage}
        return web.Response(text=json.dumps(listed), content_type="application/json")

    return behave


def _completes(message: dict[str, Any]) -> Behaviour:
    async def behave(body: dict[str, Any]) -> web.StreamResponse:
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
        }
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1_790_000_000,
                "model": body["model"],
                "choices": [choice],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        )

    return behave
