"""`Idempotency-Key`: a request that was sent twice is carried out once.

    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        ...
        return await once.answer(session, 201, view)

The key, the work and the answer are committed together or not at all.
"""

import hashlib
import json
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller
from store import idempotency
from store.idempotency import Answer

Key = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]


def json_answer(view: BaseModel, status: int = 200) -> Response:
    return _response(Answer(status, view.model_dump_json()))


class Attempt:
    """One request, which may be the second of its kind. Without a key it never is."""

    def __init__(self, caller: str, key: str | None, fingerprint: bytes) -> None:
        self.key = key
        self.source = f"api/{caller}"
        """Together with `key` it names in the log what this request wrote."""
        self._caller = caller
        self._fingerprint = fingerprint

    async def answered(self, session: AsyncSession) -> Response | None:
        """The answer that this request got before. Raises IdempotencyKeyReused."""
        if self.key is None:
            return None
        answer = await idempotency.claim(session, self._caller, self.key, self._fingerprint)
        return _response(answer) if answer else None

    async def answer(self, session: AsyncSession, status: int, view: BaseModel) -> Response:
        answer = Answer(status, view.model_dump_json())
        if self.key is not None:
            await idempotency.keep(session, self._caller, self.key, answer)
        return _response(answer)


async def _attempt(
    request: Request,
    caller: Caller,
    idempotency_key: Annotated[
        Key | None, Header(description="The same key and body: the first answer again.")
    ] = None,
) -> Attempt:
    if idempotency_key is None:
        return Attempt(caller.key, None, b"")
    said = json.dumps(await request.json(), sort_keys=True, separators=(",", ":"))
    place = f"{request.method} {request.url.path}\n{said}"
    return Attempt(caller.key, idempotency_key, hashlib.sha256(place.encode()).digest())


Once = Annotated[Attempt, Depends(_attempt)]


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type="application/json")
