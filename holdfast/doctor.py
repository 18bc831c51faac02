"""`holdfast doctor`: what is missing or unreachable, in plain words."""

import asyncio
import platform
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.service import RPCError

from domain.errors import HoldfastError
from holdfast import channels_look, cluster, files_look, pauses_look
from holdfast.access import reach_stack, signing_secret
from holdfast.errors import SetupError
from holdfast.folder import DataFolder
from holdfast.ports import check_free
from holdfast.readiness import base_url, what_is_missing
from holdfast.sentences import sentence
from holdfast.settings import SAFE_SECRET_BYTES, Settings
from holdfast.stack import running_stack
from store import migrate
from workflows.engine import Engine


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    part: str
    says: str
    well: bool = True

    def __str__(self) -> str:
        return f"{'ok  ' if self.well else 'FAIL'}  {self.part:<9} {self.says}"


async def examine(settings: Settings) -> list[Finding]:
    """Look at every part; what one lacks keeps nobody from looking at the next."""
    findings = [
        Finding("python", platform.python_version()),
        Finding("settings", "can be read"),
        await _look("stack", lambda: _stack(settings)),
    ]
    if settings.xmpp_jid is not None:
        findings.append(await _look("xmpp", lambda: _xmpp(settings)))
    channels = channels_look.looks(settings)
    findings += [await _look(part, look) for part, look in channels.items()]
    try:
        settings = reach_stack(settings)
    except SetupError as error:
        return [*findings, Finding("database", str(error), well=False)]
    findings += [
        await _look("secret", lambda: _secret(settings)),
        await _look("database", lambda: _database(settings)),
    ]
    if findings[-1].well:
        findings.append(await _look("assistant", lambda: _assistant(settings)))
        findings.append(await _look("files", lambda: files_look.look_at(settings)))
        if channels:
            findings.append(await _look("channels", lambda: pauses_look.look_at(settings)))
    try:
        client = await cluster.reach()
    except HoldfastError as error:
        return [*findings, Finding("temporal", str(error), well=False)]
    return [
        *findings,
        await _look("temporal", lambda: _temporal(client)),
        await _look("worker", lambda: _worker(client)),
        await _look("api", lambda: _api(settings)),
    ]


async def _look(part: str, look: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(part, await look())
    except HoldfastError as error:
        return Finding(part, sentence(error), well=False)
    except RPCError as error:
        return Finding(part, f"Temporal refuses: {error.message}", well=False)


async def _stack(settings: Settings) -> str:
    folder = DataFolder(settings.data)
    stack = running_stack(folder)
    if stack is not None:
        return f"`holdfast up` runs on {folder.path} (process {stack.up.pid})"
    check_free(settings.host, settings.ports, "HOLDFAST_PORT")
    return f"no `holdfast up` on {folder.path}; port {settings.ports[0]} is free"


async def _xmpp(settings: Settings) -> str:
    # Imported here: without an account, nothing of XMPP is needed.
    from holdfast.xmpp_look import look_at

    return await look_at(settings)


async def _assistant(settings: Settings) -> str:
    # Imported here: with a model, it takes a while.
    from holdfast.assistant_look import look_at

    return await look_at(settings)


async def _secret(settings: Settings) -> str:
    length = len(signing_secret(settings).get_secret_value().encode())
    if length < SAFE_SECRET_BYTES:
        return f"there, but short: {length} bytes where {SAFE_SECRET_BYTES} are advised"
    return "there"


async def _database(settings: Settings) -> str:
    schema = await asyncio.to_thread(migrate.status, settings.dsn)
    if not schema.up_to_date:
        raise SetupError(
            f"answers, but its schema is {schema.current or 'missing'} where {schema.head} is "
            "needed: run `holdfast migrate`"
        )
    return f"answers, schema {schema.head}"


async def _temporal(client: Client) -> str:
    if missing := await cluster.missing_search_attributes(client):
        raise SetupError(
            f"namespace {client.namespace} lacks search attributes of type Keyword: "
            f"{', '.join(missing)}. A worker adds them where it may; else do it by hand, with "
            "`temporal operator search-attribute create`"
        )
    return f"answers at {client.service_client.config.target_host}, namespace {client.namespace}"


async def _worker(client: Client) -> str:
    if not await Engine(client).worker_alive():
        raise SetupError("none takes work: start `holdfast worker` (or `holdfast up`)")
    return "takes work"


async def _api(settings: Settings) -> str:
    if missing := await asyncio.to_thread(what_is_missing, settings):
        raise SetupError(f"{missing} (at {base_url(settings)}): start `holdfast api`")
    return f"ready at {base_url(settings)}"
