"""What `holdfast doctor` says of the XMPP account."""

import asyncio
import logging
from dataclasses import replace

from bridge.account import Account, ComponentAccount
from bridge.errors import NoAnswer, ServerUnreachable
from bridge.file_service import find
from bridge.stream import Stream
from holdfast.errors import SetupError
from holdfast.settings import Settings
from holdfast.xmpp import Xmpp

_PATIENCE = 5.0


async def look_at(settings: Settings) -> str:
    """What is well. Raises SetupError with what is not, and what `Stream.open` raises."""
    # What it has to say, the errors say in plain words.
    logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
    account = Xmpp.of(settings).account
    if isinstance(account, ComponentAccount):
        return await _try_port(account)
    return await _log_in(account)


async def _log_in(account: Account) -> str:
    # By the bridge's own resource it would throw the bridge out.
    guest = replace(account, resource=f"{account.resource}-doctor")
    async with Stream.open(guest) as stream:
        features, of_files = stream.features, await _say_of_files(stream)
    if features.degraded:
        lacks = " ".join(features.sentences())
        raise SetupError(f"{account.bare_jid} can log in, but is {lacks} {of_files}")
    return (
        f"{account.bare_jid} can log in at {account.host}:{account.port}, which has an archive, "
        f"stable ids and stream management. {of_files}"
    )


async def _say_of_files(stream: Stream) -> str:
    try:
        service = await find(stream)
    except NoAnswer:
        return "Whether it takes files, it does not say just now."
    if service is None:
        return "It takes no files (XEP-0363), so agents have to send links."
    return f"It takes agents' files of {service.limit}."


async def _try_port(component: ComponentAccount) -> str:
    place = f"{component.host}:{component.port}"
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(component.host, component.port)
    except OSError:
        raise ServerUnreachable(
            f"Nothing takes components at {place}. Check XMPP_HOST and XMPP_PORT."
        ) from None
    writer.close()
    # A server may let a second login of a component throw the first one out.
    return (
        f"{place} can be reached; whether it takes the secret of {component.domain}, "
        "only the bridge finds out"
    )
