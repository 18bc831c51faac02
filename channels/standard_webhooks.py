"""Standard Webhooks: the signatures of what we are called with, and of what we call.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import secrets as random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_FEWEST_BYTES = 16
_VERSION = "v1,"
_TOLERANCE = timedelta(minutes=5)
_MOST_SIGNATURES = 10
_LONGEST_ID = 255


def new_secret() -> str:
    return _PREFIX + base64.b64encode(random.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: SecretStr | str, event_id: str, at: datetime, body: bytes) -> str:
    """The value of `webhook-signature`, for a `webhook-timestamp` of `at` in whole seconds.

    Raises ValueError for a secret that is none.
    """
    return _signature(_key(secret), event_id, str(int(at.timestamp())), body)


def holds(
    secrets: Iterable[SecretStr | str],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime | None = None,
) -> bool:
    """Whether one of the signatures was made with one of the secrets, within five minutes of now.

    `headers` finds names in lower case, as Starlette's do. Raises ValueError for a secret that is
    none.
    """
    event_id, spelled = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not 0 < len(event_id) <= _LONGEST_ID or not _is_recent(spelled, now or datetime.now(UTC)):
        return False
    given = [each.encode() for each in headers.get(SIGNATURE, "").split()[:_MOST_SIGNATURES]]
    right = [_signature(_key(each), event_id, spelled, body).encode() for each in secrets]
    return any(hmac.compare_digest(one, other) for one in given for other in right)


def _is_recent(spelled: str, now: datetime) -> bool:
    if not (spelled.isascii() and spelled.isdigit() and len(spelled) <= 12):
        return False
    return abs(now.timestamp() - int(spelled)) <= _TOLERANCE.total_seconds()


def _signature(key: bytes, event_id: str, spelled: str, body: bytes) -> str:
    content = b".".join((event_id.encode(), spelled.encode(), body))
    return _VERSION + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def _key(secret: SecretStr | str) -> bytes:
    spelled = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    try:
        key = base64.b64decode(spelled.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _FEWEST_BYTES:
        raise ValueError("a webhook secret is `whsec_` and at least 16 bytes in base64")
    return key
