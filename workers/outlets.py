"""The outlets of the platforms that the settings name; XMPP's is the bridge's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from channels.files import FileSource
from channels.outlet import Outlet
from holdfast.settings import Settings


@asynccontextmanager
async def outlets_of(settings: Settings, files: FileSource) -> AsyncIterator[list[Outlet]]:
    """Each with its connections, as long as the block lasts."""
    # Imported where they are needed: most desks have few channels, and memory for few.
    accounts = settings.channel_accounts()
    outlets: list[Outlet] = []
    async with AsyncExitStack() as stack:
        if accounts.whatsapp is not None:
            from channels.whatsapp_outlet import WhatsAppOutlet

            whatsapp = WhatsAppOutlet(accounts.whatsapp, files)
            stack.push_async_callback(whatsapp.close)
            outlets.append(whatsapp)
        if accounts.messenger is not None:
            from channels.messenger_outlet import MessengerOutlet

            messenger = MessengerOutlet(accounts.messenger, files)
            stack.push_async_callback(messenger.close)
            outlets.append(messenger)
        if accounts.x is not None:
            from channels.x_outlet import XOutlet

            x = XOutlet(accounts.x)
            stack.push_async_callback(x.close)
            outlets.append(x)
        if settings.smtp_url is not None and settings.email_address is not None:
            from channels.mail_outlet import MailOutlet
            from channels.mail_servers import MailServer
            from channels.mail_writing import Correspondent

            sender = Correspondent(settings.email_address, settings.email_name)
            outlets.append(MailOutlet(sender, MailServer.of(settings.smtp_url), files))
        yield outlets
