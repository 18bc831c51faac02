"""A real OpenID Connect issuer on this machine, which rotates its keys and can fall ill."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

CLIENT = "client-of-the-desk"


class Issuer:
    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, RSAPrivateKey] = {}
        self.has_discovery = True
        self.discovery_changes: dict[str, Any] = {}
        self.junk: bytes | None = None
        """Served instead of the key set."""
        self.fetches = 0
        self.rotate("first")

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on and publish no other."""
        self.keys = {kid: generate_private_key(65537, 2048)}

    def token(self, kid: str | None = None, **changes: object) -> str:
        """An access token as Cognito makes it; a claim given as None is left out."""
        current_kid, key = next(iter(self.keys.items()))
        claims = {
            "iss": self.url,
            "sub": "5f1c",
            "token_use": "access",
            "client_id": CLIENT,
            "username": "ada",
            "cognito:groups": ["support"],
            "exp": int(time.time()) + 600,
            **changes,
        }
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, key, "RS256", headers={"kid": kid or current_kid})

    def public_keys(self) -> dict[str, Any]:
        algorithm = jwt.algorithms.RSAAlgorithm
        return {
            "keys": [
                {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}
                for kid, key in self.keys.items()
            ]
        }

    async def _discovery(self, _: web.Request) -> web.Response:
        if not self.has_discovery:
            raise web.HTTPNotFound
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.discovery_changes
        return web.json_response(document)

    async def _key_set(self, _: web.Request) -> web.Response:
        self.fetches += 1
        body = json.dumps(self.public_keys()).encode() if self.junk is None else self.junk
        return web.Response(body=body, content_type="application/json")

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["Issuer"]:
        app = web.Application()
        app.router.add_get("/pool/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/pool/.well-known/jwks.json", self._key_set)
        app.router.add_get("/pool/keys", self._key_set)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/pool"
        try:
            yield self
        finally:
            await runner.cleanup()
