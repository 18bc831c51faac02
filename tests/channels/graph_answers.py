"""How `graph_server` can answer a call that wants a message sent."""

import asyncio

from aiohttp import web

from tests.channels.graph_server import Behaviour, Posted
from tests.channels.graph_words import error_response


async def takes(posted: Posted) -> web.StreamResponse:
    """Accepts it, unless a rate is exceeded."""
    return await posted.server.accept(posted)


async def takes_and_hangs(posted: Posted) -> web.StreamResponse:
    """Accepts it, and never answers."""
    posted.server.take(posted)
    await posted.server.hang()
    return web.Response(status=500)


async def takes_and_breaks(posted: Posted) -> web.StreamResponse:
    """Accepts it, and drops the connection."""
    posted.server.take(posted)
    return await breaks(posted)


async def breaks(posted: Posted) -> web.StreamResponse:
    """Drops the connection."""
    assert posted.request.transport is not None
    posted.request.transport.abort()
    return web.Response()


def refuses(code: int, subcode: int = 0, status: int = 400, **more: object) -> Behaviour:
    async def behave(_: Posted) -> web.StreamResponse:
        return error_response(code, subcode, status, **more)

    return behave


def answers(status: int, body: str = "", **headers: str) -> Behaviour:
    """With whatever this is; `Retry_After="7"` is a header."""

    async def behave(_: Posted) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, headers=named)

    return behave


def later(seconds: float, then: Behaviour) -> Behaviour:
    async def behave(posted: Posted) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(posted)

    return behave
