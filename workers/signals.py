"""How a process learns that it should end."""

import asyncio
import signal


async def ended() -> None:
    """Return when the process gets SIGTERM or SIGINT."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
