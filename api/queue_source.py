"""The queue as snapshots show it."""

from typing import Any

from api.chat_views import queue_entry_view
from api.queue_board import ENTRIES, Snapshot
from store import chat_queue
from store.chat_queue import QueueEntry
from store.database import Database

_LONGEST_PREVIEW = 200
"""Characters of the last message: a snapshot goes to every agent, four times a second."""


class QueueSource:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Snapshot:
        async with self._database.reading() as session:
            entries = await chat_queue.page(session, limit=ENTRIES)
        return Snapshot([_shown(entry) for entry in entries])


def _shown(entry: QueueEntry) -> dict[str, Any]:
    shown = queue_entry_view(entry).json_object()
    last = shown["lastMessage"]
    if last is not None:
        last["metadata"] = {}
        if len(last["content"]) > _LONGEST_PREVIEW:
            last["content"] = last["content"][: _LONGEST_PREVIEW - 1] + "…"
    return shown
