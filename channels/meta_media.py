"""Where files lie that came by WhatsApp and Messenger."""

from urllib.parse import quote

import httpx

from channels.accounts import WhatsAppAccount
from channels.graph import Graph
from channels.graph_errors import WHATSAPP_MEDIA
from channels.outlet import NotNow
from channels.untrusted import name

MEDIA_HOSTS = ("lookaside.fbsbx.com",)
"""Of files that came by WhatsApp: they want the account's token."""
MEDIA_SUFFIXES = (".fbcdn.net", ".fbsbx.com", ".cdninstagram.com")
"""How the names of all other hosts end, whose addresses are good for everybody."""
_LONGEST_URL = 4_000


async def whatsapp_media_url(
    client: httpx.AsyncClient, account: WhatsAppAccount, media_id: str
) -> str:
    """The address of a file by its id; good for 5 minutes, and only with the account's token.

    Raises Undeliverable when it is not there any more, NotNow and Paused.
    """
    graph = Graph(client, account.api, account.token, WHATSAPP_MEDIA)
    told = await graph.get(quote(media_id, safe=""))
    url = name(told.get("url"), _LONGEST_URL)
    if url is None:
        raise NotNow("WhatsApp does not tell where the file lies.")
    return url
