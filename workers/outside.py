"""What a worker does beyond the house: replies by platforms and mail, files, webhooks, requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from temporalio.client import Client

from activities.customers import CustomerActivities
from activities.fetching import FetchAttachment
from activities.files import StoredFiles
from activities.webhooks import CallWebhook
from channels import graph
from channels.media_hosts import stand_ins
from channels.safe_http import SafeClient
from holdfast.settings import Settings
from store.database import Database
from workers.attachments import forget_files, open_blobs
from workers.deliveries import make_delivery_worker
from workers.errands import make_errand_worker
from workers.outlets import outlets_of
from workers.temporal import work_until
from workflows.engine import Engine


class Outside:
    """All of it that the settings ask for."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._blobs = open_blobs(settings)

    async def work(self, client: Client, engine: Engine, stop: asyncio.Event) -> None:
        """Until `stop`."""
        files = StoredFiles(self._database, self._blobs)
        patience = self._settings.delivery_patience
        async with (
            self._errands() as errands,
            outlets_of(self._settings, files) as outlets,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(work_until(stop, engine, lambda: make_errand_worker(client, errands)))
            for each in outlets:
                make = partial(make_delivery_worker, client, self._database, each, patience)
                group.create_task(work_until(stop, engine, make))

    async def keep_files(self) -> None:
        """Until cancelled: delete those that nobody needs."""
        await forget_files(self._database, self._blobs)

    async def read_mail(self, engine: Engine) -> None:
        """Until cancelled, where there is a mailbox."""
        settings = self._settings
        if settings.imap_url is None or settings.email_address is None:
            return
        from channels.mail_servers import MailServer
        from domain.mail import Mailbox
        from store.mail_taker import MailTaker
        from workers.mail import read_mailbox_forever

        mailbox = Mailbox.of(settings.email_address)
        taker = MailTaker(self._database, self._blobs, mailbox, settings.deadline_policy())
        server = MailServer.of(settings.imap_url)
        await read_mailbox_forever(self._database, engine, taker, server)

    @asynccontextmanager
    async def _errands(self) -> AsyncIterator[list[Callable[..., Any]]]:
        """The activities, with the connections that they need."""
        accounts = self._settings.channel_accounts()
        async with (
            SafeClient(self._settings.webhook_allowed_hosts) as for_webhooks,
            SafeClient(stand_ins(accounts)) as for_files,
            graph.new_client() as for_graph,
        ):
            yield [
                CallWebhook(self._database, for_webhooks).call_webhook,
                FetchAttachment(self._database, self._blobs, accounts, for_files, for_graph).fetch,
                CustomerActivities(self._database, self._blobs).carry_out,
            ]
