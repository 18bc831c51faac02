"""The public keys of an OpenID Connect issuer, fetched, cached and rotated."""

import asyncio
import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic_core import from_json

from domain.errors import NotAuthenticated, Unavailable

log = structlog.get_logger(__name__)

_FETCH_TIMEOUT = 5.0
_BETWEEN_FETCHES = 10.0
"""Seconds. Made-up `kid`s must not turn us into a flood of requests to the issuer."""
_FRESH_FOR = 3600.0
"""Seconds after which the set is fetched again, so that a key which was withdrawn stops working."""
_LARGEST_DOCUMENT = 256 * 1024
_SHORTEST_KEY = 2048
"""Bits, RFC 7518 section 3.3."""


class IssuerUnreachable(Unavailable):
    sentence = "The sign-in provider's keys could not be fetched. Try again shortly."


class _BadDocument(Exception):
    """The issuer answered, but not with what it should."""


class KeySet:
    """The last good key set of one issuer. Callers that need a fetch share one."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> RSAPublicKey:
        """Return the key of that name.

        Raises NotAuthenticated when the issuer has none, and IssuerUnreachable as long as no
        set was ever fetched.
        """
        if kid not in self._keys:
            await self._refresh()
        elif time.monotonic() - self._fetched_at > _FRESH_FOR:
            self._begin_refresh()
        if not self._keys:
            raise IssuerUnreachable
        if kid not in self._keys:
            raise NotAuthenticated
        return self._keys[kid]

    async def _refresh(self) -> None:
        fetching = self._begin_refresh()
        if fetching is not None:
            # Shielded: a caller who hangs up must not end the fetch that others wait for.
            await asyncio.shield(fetching)

    def _begin_refresh(self) -> asyncio.Task[None] | None:
        if self._fetching is not None:
            return self._fetching
        now = time.monotonic()
        if now - self._tried_at < _BETWEEN_FETCHES:
            return None
        self._tried_at = now
        self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT):
                self._keys = await _fetch_keys(self._issuer)
            self._fetched_at = time.monotonic()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, _BadDocument) as error:
            log.warning("oidc_keys_not_fetched", issuer=self._issuer, error=repr(error))
        finally:
            self._fetching = None


def require_safe_address(url: str) -> None:
    """Raise ValueError unless it is https, or plain http to this very machine."""
    parts = urlsplit(url)
    if parts.hostname and parts.scheme == "https":
        return
    if not (parts.hostname and parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError(f"{url}: an OIDC address must be https (http only on loopback)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _fetch_keys(issuer: str) -> dict[str, RSAPublicKey]:
    base = issuer.rstrip("/")
    async with httpx.AsyncClient(timeout=_FETCH_TIMEOUT, follow_redirects=False) as client:
        address = await _discover(client, issuer) or f"{base}/.well-known/jwks.json"
        return _usable_keys(await _get_json(client, address))


async def _discover(client: httpx.AsyncClient, issuer: str) -> str | None:
    """Ask the discovery document (OpenID Connect Discovery 1.0) where the keys are."""
    try:
        found = await _get_json(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    except _BadDocument:
        return None
    address = found.get("jwks_uri")
    if found.get("issuer") != issuer or not isinstance(address, str):
        return None
    try:
        require_safe_address(address)
    except ValueError as error:
        raise _BadDocument(str(error)) from None
    return address


async def _get_json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise _BadDocument(f"{url} answered {response.status_code}")
        text = b""
        async for chunk in response.aiter_bytes():
            text += chunk
            if len(text) > _LARGEST_DOCUMENT:
                raise _BadDocument(f"{url} is larger than {_LARGEST_DOCUMENT} bytes")
    try:
        document = from_json(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _BadDocument(f"{url} is no JSON object")
    return document


def _usable_keys(document: dict[str, Any]) -> dict[str, RSAPublicKey]:
    entries = document.get("keys")
    keys = {
        entry["kid"]: key
        for entry in (entries if isinstance(entries, list) else [])
        if (key := _signing_key(entry)) is not None
    }
    if not keys:
        raise _BadDocument("the key set holds no RS256 signing key")
    return keys


def _signing_key(entry: object) -> RSAPublicKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") != "RS256":
        return None
    try:
        key = jwt.PyJWK(entry, algorithm="RS256").key
    except (jwt.PyJWTError, ValueError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < _SHORTEST_KEY:
        return None
    return key
