"""How Meta shows that it is Meta who calls: for WhatsApp and Messenger alike.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

import hashlib
import hmac

from pydantic import SecretStr

_PREFIX = "sha256="


def sign(secret: SecretStr, body: bytes) -> str:
    """The value of `X-Hub-Signature-256` for these bytes: `sha256=` and lower-case hex of the
    HMAC-SHA256 with the app's secret."""
    mac = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256)
    return _PREFIX + mac.hexdigest()


def signature_holds(secret: SecretStr, body: bytes, header: str | None) -> bool:
    """Whether these very bytes were signed with the app's secret; takes as long for any header."""
    given = (header or "").encode("utf-8", "replace")
    return hmac.compare_digest(given, sign(secret, body).encode())


def challenge(
    mode: str | None, token: str | None, challenge: str | None, expected: SecretStr
) -> str | None:
    """What to answer, in plain text, when Meta verifies the webhook's address; None for 403."""
    given = (token or "").encode("utf-8", "replace")
    known = hmac.compare_digest(given, expected.get_secret_value().encode())
    return challenge if known and mode == "subscribe" else None
