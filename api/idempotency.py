"""`Idempotency-Key`: a request that was sent twice is carried out once.

    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        ...
        return await once.answer(session, 201, view)

The key, the work and the answer are committed together or not at all. Work that cannot be
done in this one transaction, and is safe to do twice, is done before it: see `Attempt.known`.
"""

import hashlib
import json
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller
from api.call import call_of
from domain.principals import Principal
from store import idempotency
from store.idempotency import KEPT_FOR, Answer

KEPT_FOR_ANYBODY = timedelta(minutes=5)
"""Without a token, many people may share an address, and the key is all that tells them apart."""
Key = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]


def json_answer(view: BaseModel, status: int = 200) -> Response:
    return _response(Answer(status, view.model_dump_json()))


class Attempt:
    """One request, which may be the second of its kind. Without a key it never is."""

    def __init__(
        self, caller: str, key: str | None, fingerprint: bytes, kept_for: timedelta = KEPT_FOR
    ) -> None:
        self.key = key
        """The key that the caller gave, if any."""
        self.source = f"api/{caller}"
        """Together with `key` it names in the log what this request wrote."""
        self._caller = caller
        self._fingerprint = fingerprint
        self._kept_for = kept_for

    async def known(self, session: AsyncSession) -> Response | None:
        """The answer that this request got before, without taking the key for this transaction.

        Raises IdempotencyKeyReused.
        """
        if self.key is None:
            return None
        answer = await idempotency.find(session, self._caller, self.key, self._fingerprint)
        return _response(answer) if answer else None

    async def claim(self, session: AsyncSession) -> Answer | None:
        """Take the key, or return what was kept under it. Raises IdempotencyKeyReused."""
        if self.key is None:
            return None
        return await idempotency.claim(
            session, self._caller, self.key, self._fingerprint, self._kept_for
        )

    async def keep(self, session: AsyncSession, status: int, view: BaseModel) -> Answer:
        """Keep an answer under the claimed key."""
        answer = Answer(status, view.model_dump_json())
        if self.key is not None:
            await idempotency.keep(session, self._caller, self.key, answer)
        return answer

    async def answered(self, session: AsyncSession) -> Response | None:
        """The answer that this request got before. Raises IdempotencyKeyReused."""
        answer = await self.claim(session)
        return _response(answer) if answer else None

    async def answer(self, session: AsyncSession, status: int, view: BaseModel) -> Response:
        return _response(await self.keep(session, status, view))


KeyHeader = Annotated[
    Key | None, Header(description="The same key and body: the first answer again.")
]

SecretKeyHeader = Annotated[
    Key | None,
    Header(
        description=(
            "The same key and body: the first answer again. Make it random, like a UUID: without a"
            " token, whoever sends the same from the same address within five minutes is taken"
            " for the same person."
        )
    ),
]


async def _attempt(request: Request, caller: Caller, idempotency_key: KeyHeader = None) -> Attempt:
    return await _attempt_by(caller.key, request, idempotency_key)


async def _attempt_by_anybody(request: Request, idempotency_key: SecretKeyHeader = None) -> Attempt:
    call = call_of(request.scope)
    if isinstance(call.identity, Principal) and call.identity.is_customer:
        return await _attempt_by(call.identity.key, request, idempotency_key)
    caller = f"address:{call.address}"
    return await _attempt_by(caller, request, idempotency_key, KEPT_FOR_ANYBODY)


async def _attempt_by(
    caller: str, request: Request, key: str | None, kept_for: timedelta = KEPT_FOR
) -> Attempt:
    if key is None:
        return Attempt(caller, None, b"")
    body = await request.json() if await request.body() else None
    said = json.dumps(body, sort_keys=True, separators=(",", ":"))
    place = f"{request.method} {request.url.path}\n{said}"
    return Attempt(caller, key, hashlib.sha256(place.encode()).digest(), kept_for)


Once = Annotated[Attempt, Depends(_attempt)]
OnceByAnybody = Annotated[Attempt, Depends(_attempt_by_anybody)]
"""For customers who may have no token yet: then it is their address that calls."""


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type="application/json")
