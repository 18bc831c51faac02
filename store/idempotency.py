"""The first answer to a request, given again to whoever asks with the same key."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import IdempotencyKeyReused
from store.tables import IdempotencyKey

KEPT_FOR = timedelta(days=1)
"""After that, the log itself still knows what was written under a key; see `api.idempotency`."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str


async def claim(
    session: AsyncSession,
    caller: str,
    key: str,
    fingerprint: bytes,
    kept_for: timedelta = KEPT_FOR,
) -> Answer | None:
    """Take a key for this transaction, or return the answer that was given to it before.

    Whoever comes second waits until the first has committed. A key that was taken longer than
    `kept_for` ago is free again. Raises IdempotencyKeyReused when the key was used for a request
    with another fingerprint.
    """
    taken = insert(IdempotencyKey).values(
        caller=caller, key=key, fingerprint=fingerprint, created_at=func.now()
    )
    claimed = await session.scalar(
        taken.on_conflict_do_update(
            index_elements=[IdempotencyKey.caller, IdempotencyKey.key],
            set_={
                "fingerprint": taken.excluded.fingerprint,
                "created_at": taken.excluded.created_at,
                "status": None,
                "body": None,
            },
            where=IdempotencyKey.created_at < func.now() - kept_for,
        ).returning(IdempotencyKey.key)
    )
    if claimed is not None:
        return None
    row = (
        await session.execute(
            select(IdempotencyKey).where(IdempotencyKey.caller == caller, IdempotencyKey.key == key)
        )
    ).scalar_one()
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return _answer(row)


async def find(session: AsyncSession, caller: str, key: str, fingerprint: bytes) -> Answer | None:
    """The answer that was given under a key, without taking the key. Raises as `claim` does."""
    row = await session.get(IdempotencyKey, (caller, key))
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return _answer(row)


async def keep(session: AsyncSession, caller: str, key: str, answer: Answer) -> None:
    """Keep the answer to a claimed key, in the transaction that made it true."""
    await session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.caller == caller, IdempotencyKey.key == key)
        .values(status=answer.status, body=answer.body)
    )


async def forget_old(session: AsyncSession) -> bool:
    """Forget some answers that nobody will ask for again; True when there may be more."""
    forgotten = await session.scalar(_FORGET, {"kept_for": KEPT_FOR})
    return bool(forgotten)


def _answer(row: IdempotencyKey) -> Answer:
    if row.status is None or row.body is None:
        raise RuntimeError("an idempotency key was committed without its answer")
    return Answer(row.status, row.body)


_FORGET = text(
    """
    WITH old AS MATERIALIZED (
        SELECT caller, key FROM idempotency_keys
        WHERE created_at < now() - :kept_for LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM idempotency_keys USING old
        WHERE idempotency_keys.caller = old.caller AND idempotency_keys.key = old.key
        RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)
