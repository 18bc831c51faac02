"""What is wanted of a customer as a whole, carried out. Every step can be done twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beating import beating
from domain.errands import ErrandKind
from domain.errors import CustomerRequestNotFound
from domain.ids import customer_id_text
from domain.models import ThreadKind
from store import attachments, customer_requests, erasing, errands, exporting, merging
from store.attachments import Unwanted
from store.blobs import Blobs
from store.customer_requests import RequestKind, RequestState
from store.customer_tables import CustomerRequest
from store.customers import BeingNamed
from store.database import Database

_SOON = timedelta(seconds=1)
_PAUSE = 0.2
_PATIENCE = 150
"""Pauses in which a thread's workflow has to end it, before all of them are looked for anew."""


class CustomerActivities:
    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    @activity.defn(name=ErrandKind.CUSTOMER)
    async def carry_out(self, request_id: UUID) -> None:
        async with beating():
            request = await self._find(request_id)
            if request is None or request.state != RequestState.PENDING:
                await self._give_up(request_id, request)
                return
            try:
                await self._carry_out(request)
            except BeingNamed:
                raise _again("the customer gets a name in this moment") from None

    async def _carry_out(self, request: CustomerRequest) -> None:
        match RequestKind(request.kind):
            case RequestKind.MERGE:
                await merging.merge(self._database, request)
            case RequestKind.UNDO:
                await merging.undo(self._database, request)
            case RequestKind.EXPORT:
                await self._export(request)
            case RequestKind.ERASE:
                await self._erase(request)

    async def _find(self, request_id: UUID) -> CustomerRequest | None:
        async with self._database.begin() as session:
            try:
                return await customer_requests.get(session, request_id)
            except CustomerRequestNotFound:
                return None

    async def _give_up(self, request_id: UUID, request: CustomerRequest | None) -> None:
        """It is over already. Of an export whose customer was erased meanwhile a file may be left,
        whoever wrote it: that one may have died."""
        if request is not None and request.state == RequestState.FAILED:
            await self._blobs.delete(exporting.key_of(request_id))
        async with self._database.begin() as session:
            await errands.end(session, ErrandKind.CUSTOMER, request_id)

    async def _export(self, request: CustomerRequest) -> None:
        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in exporting.chunks(self._database, request.customer_id):
                size += len(chunk)
                yield chunk

        key = exporting.key_of(request.id)
        await self._blobs.put(key, counted())
        async with self._database.begin() as session:
            written = await customer_requests.get(session, request.id, lock=True)
            wanted = written.state == RequestState.PENDING
            if wanted:
                written.result = {"size": size}
                await customer_requests.finish(session, written)
        if not wanted:
            await self._give_up(request.id, written)

    async def _erase(self, request: CustomerRequest) -> None:
        await erasing.forget_names(self._database, request)
        async with self._database.begin() as session:
            exports = await erasing.exports_of(session, request)
        for export_id in exports:
            await self._blobs.delete(exporting.key_of(export_id))
        await self._forget_uploads(request)
        await self._erase_threads(request)
        await erasing.forget_mentions(self._database, request)
        await erasing.finish(self._database, request)

    async def _erase_threads(self, request: CustomerRequest) -> None:
        """Until none is left: a conversation can go on as a ticket until it is closed."""
        for _ in range(_PATIENCE):
            any_left, any_open = await self._erase_once(request)
            if not any_left:
                return
            if any_open:
                await asyncio.sleep(_PAUSE)
        raise _again("threads of the customer are not closed yet")

    async def _erase_once(self, request: CustomerRequest) -> tuple[bool, bool]:
        """Erase all once. Whether there were any, and whether any of them was open."""
        any_open = False
        after: UUID | None = None
        while True:
            async with self._database.begin() as session:
                found = await erasing.next_threads(session, request, after)
            if not found:
                return after is not None, any_open
            for kind, thread_id in found:
                done = await self._erase_thread(request, kind, thread_id)
                any_open = any_open or not done
            after = found[-1][1]

    async def _erase_thread(
        self, request: CustomerRequest, kind: ThreadKind, thread_id: UUID
    ) -> bool:
        done, files = await erasing.erase_thread(self._database, request, kind, thread_id)
        await self._delete(files)
        return done

    async def _forget_uploads(self, request: CustomerRequest) -> None:
        """Of what a customer has uploaded and never sent, housekeeping takes what is left: whoever
        comes with a name of their own may have another key."""
        customer_id = customer_id_text(request.customer_id)
        for key in (f"visitor:{customer_id}", f"user:{customer_id}"):
            async with self._database.begin() as session:
                files = await attachments.delete_of_uploader(session, key)
            await self._delete(files)

    async def _delete(self, files: list[Unwanted]) -> None:
        for file in files:
            await self._blobs.delete(file.key)
        if files:
            async with self._database.begin() as session:
                await attachments.forget(session, [file.id for file in files])


def _again(why: str) -> ApplicationError:
    return ApplicationError(why, next_retry_delay=_SOON, category=ApplicationErrorCategory.BENIGN)
