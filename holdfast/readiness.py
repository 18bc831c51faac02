"""Whether the stack can do work, as its own GET /api/ready tells it."""

import asyncio
import http.client
import json
from collections.abc import Collection

from holdfast.errors import ServerDidNotStart
from holdfast.settings import Settings

_PATIENCE = 60.0
_PROBE_INTERVAL = 0.1


async def until_ready(settings: Settings, failed: Collection[str]) -> None:
    """Return when all can do work; give up as soon as somebody is in `failed`.

    Raises ServerDidNotStart, after a minute with what is still missing.
    """
    missing = "the API does not answer"
    try:
        async with asyncio.timeout(_PATIENCE):
            while missing := await asyncio.to_thread(what_is_missing, settings):
                if failed:
                    raise ServerDidNotStart(
                        f"{' and '.join(sorted(set(failed)))} cannot start; the reason is above."
                    )
                await asyncio.sleep(_PROBE_INTERVAL)
    except TimeoutError:
        raise ServerDidNotStart(
            f"Holdfast was not ready after {_PATIENCE:.0f} seconds: {missing}."
        ) from None


def what_is_missing(settings: Settings) -> str:
    """Empty when nothing is: database, Temporal and worker can all do work."""
    connection = http.client.HTTPConnection(_local(settings.host), settings.ports[0], timeout=5)
    try:
        connection.request("GET", "/api/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return "the API does not answer"
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.OK:
        return ""
    try:
        return f"GET /api/ready says {json.loads(body)}"
    except ValueError:
        return f"GET /api/ready answers {answer.status}"


def _local(host: str) -> str:
    """Where we ourselves reach a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def base_url(settings: Settings) -> str:
    """Where clients on this machine find the API."""
    host = _local(settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.ports[0]}"
