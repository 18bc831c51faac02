"""OIDC tokens against a real issuer on this machine."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from api.auth import Authenticator
from api.config import ApiConfig, OidcConfig
from api.oidc import OidcVerifier
from domain.errors import InsufficientPermissions, NotAuthenticated, Unavailable
from domain.principals import Principal, Role
from store.database import Database
from tests.api.issuer import CLIENT, Issuer

GROUPS = {"support": Role.AGENT, "leads": Role.ADMIN}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer().running() as running:
        yield running


@pytest.fixture
def verifier(issuer: Issuer) -> OidcVerifier:
    return OidcVerifier(OidcConfig(issuer=issuer.url, audience=CLIENT, groups=GROUPS))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let that many seconds pass for the key set."""
    monotonic = time.monotonic
    passed = 0.0

    def pass_time(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed)
    return pass_time


class TestClaims:
    async def test_name_an_agent(self, issuer: Issuer, verifier: OidcVerifier) -> None:
        token = issuer.token(email="ada@desk.example", name="Ada")
        assert await verifier.principal(token) == Principal(
            Role.AGENT, "5f1c", "Ada", "ada@desk.example"
        )

    async def test_the_highest_group_counts(self, issuer: Issuer, verifier: OidcVerifier) -> None:
        token = issuer.token(None, **{"cognito:groups": ["support", "leads", "chess"]})
        assert (await verifier.principal(token)).role is Role.ADMIN

    async def test_groups_of_other_issuers(self, issuer: Issuer, verifier: OidcVerifier) -> None:
        token = issuer.token(
            None, **{"cognito:groups": None, "token_use": None, "groups": ["leads"]}
        )
        assert (await verifier.principal(token)).role is Role.ADMIN

    @pytest.mark.parametrize("groups", [None, [], ["chess"], "support", [{"support": 1}]])
    async def test_no_known_group_is_forbidden(
        self, issuer: Issuer, verifier: OidcVerifier, groups: object
    ) -> None:
        with pytest.raises(InsufficientPermissions):
            await verifier.principal(issuer.token(None, **{"cognito:groups": groups}))

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://elsewhere.example"},
            {"iss": None},
            {"exp": 1},
            {"exp": None},
            {"nbf": 2**40},
            {"token_use": "id"},
            {"client_id": "another"},
            {"client_id": None},
            {"aud": "another"},
            {"aud": ["another"]},
            {"sub": None},
            {"sub": "nul\0"},
        ],
        ids=repr,
    )
    async def test_a_token_not_for_us_is_refused(
        self, issuer: Issuer, verifier: OidcVerifier, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(NotAuthenticated):
            await verifier.principal(issuer.token(**changes))

    async def test_a_trailing_slash_makes_another_issuer(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        with pytest.raises(NotAuthenticated):
            await verifier.principal(issuer.token(iss=f"{issuer.url}/"))

    async def test_clocks_may_differ_by_a_minute(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        just_over = int(time.time()) - 30
        assert (await verifier.principal(issuer.token(exp=just_over))).id == "5f1c"
        with pytest.raises(NotAuthenticated):
            await verifier.principal(issuer.token(exp=just_over - 60))

    async def test_id_tokens_name_us_in_aud(self, issuer: Issuer) -> None:
        verifier = OidcVerifier(
            OidcConfig(issuer=issuer.url, audience=CLIENT, groups=GROUPS, token_use="id")
        )
        id_token = {"token_use": "id", "client_id": None}
        assert (await verifier.principal(issuer.token(**id_token, aud=CLIENT))).id == "5f1c"
        for changes in ({**id_token, "aud": "another"}, {"token_use": "id"}, {"aud": CLIENT}):
            with pytest.raises(NotAuthenticated):
                await verifier.principal(issuer.token(**changes))


class TestKeys:
    async def test_without_discovery_they_are_at_the_usual_place(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        issuer.has_discovery = False
        assert (await verifier.principal(issuer.token())).id == "5f1c"

    async def test_discovery_for_another_issuer_is_not_believed(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        issuer.discovery_changes = {"issuer": "https://elsewhere.example", "jwks_uri": "http://x"}
        assert (await verifier.principal(issuer.token())).id == "5f1c"

    async def test_discovery_cannot_lead_to_plain_http_elsewhere(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        issuer.discovery_changes = {"jwks_uri": "http://keys.example/"}
        with pytest.raises(Unavailable):
            await verifier.principal(issuer.token())

    async def test_are_fetched_once_for_many_callers(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        await asyncio.gather(*(verifier.principal(issuer.token()) for _ in range(20)))
        assert issuer.fetches == 1

    async def test_rotate(
        self, issuer: Issuer, verifier: OidcVerifier, later: Callable[[float], None]
    ) -> None:
        old = issuer.token()
        await verifier.principal(old)
        issuer.rotate("second")
        later(11)
        assert (await verifier.principal(issuer.token())).id == "5f1c"
        with pytest.raises(NotAuthenticated):
            await verifier.principal(old)

    async def test_unknown_names_fetch_at_most_every_ten_seconds(
        self, issuer: Issuer, verifier: OidcVerifier, later: Callable[[float], None]
    ) -> None:
        await verifier.principal(issuer.token())
        for number in range(20):
            with pytest.raises(NotAuthenticated):
                await verifier.principal(issuer.token(kid=f"made-up-{number}"))
        assert issuer.fetches == 1
        later(11)
        with pytest.raises(NotAuthenticated):
            await verifier.principal(issuer.token(kid="made-up"))
        assert issuer.fetches == 2

    async def test_a_withdrawn_key_ends_within_the_hour(
        self, issuer: Issuer, verifier: OidcVerifier, later: Callable[[float], None]
    ) -> None:
        old = issuer.token()
        await verifier.principal(old)
        issuer.rotate("second")
        later(3601)
        await verifier.principal(old)
        await asyncio.sleep(0.5)
        with pytest.raises(NotAuthenticated):
            await verifier.principal(old)

    @pytest.mark.parametrize(
        "junk",
        [
            b"",
            b"<html>",
            b"[]",
            b'{"keys": 1}',
            b'{"keys": []}',
            b'{"keys": [1, {"kid": "first"}, {"kid": "first", "kty": "RSA", "n": "?", "e": "?"}]}',
            b" " * 300_000,
            b"[" * 200_000,
        ],
        ids=lambda junk: junk[:12],
    )
    async def test_the_last_good_set_outlives_junk(
        self,
        issuer: Issuer,
        verifier: OidcVerifier,
        later: Callable[[float], None],
        junk: bytes,
    ) -> None:
        await verifier.principal(issuer.token())
        issuer.junk = junk
        later(11)
        with pytest.raises(NotAuthenticated):
            await verifier.principal(issuer.token(kid="made-up"))
        assert issuer.fetches == 2
        assert (await verifier.principal(issuer.token())).id == "5f1c"

    async def test_the_last_good_set_outlives_the_issuer(
        self, later: Callable[[float], None]
    ) -> None:
        async with AsyncExitStack() as stack:
            issuer = await stack.enter_async_context(Issuer().running())
            config = OidcConfig(issuer=issuer.url, audience=CLIENT, groups=GROUPS)
            verifier = OidcVerifier(config)
            await verifier.principal(issuer.token())
        later(11)
        with pytest.raises(NotAuthenticated):
            await verifier.principal(issuer.token(kid="made-up"))
        assert (await verifier.principal(issuer.token())).id == "5f1c"

    async def test_an_issuer_never_reached_is_unavailable_until_it_is_there(
        self, issuer: Issuer, verifier: OidcVerifier, later: Callable[[float], None]
    ) -> None:
        issuer.junk = b"junk"
        with pytest.raises(Unavailable):
            await verifier.principal(issuer.token())
        issuer.junk = None
        later(11)
        assert (await verifier.principal(issuer.token())).id == "5f1c"


class TestForgeries:
    async def test_a_key_brought_along_is_ignored(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        forger = Issuer()
        forger.url = issuer.url
        for header in (
            {"jwk": forger.public_keys()["keys"][0]},
            {"jku": "http://127.0.0.1:1/keys"},
            {"x5u": "http://127.0.0.1:1/keys"},
        ):
            claims = jwt.decode(issuer.token(), options={"verify_signature": False})
            token = jwt.encode(
                claims, forger.keys["first"], "RS256", headers={"kid": "first", **header}
            )
            with pytest.raises(NotAuthenticated):
                await verifier.principal(token)

    async def test_the_public_key_is_no_shared_secret(
        self, issuer: Issuer, config: ApiConfig, database: Database
    ) -> None:
        oidc = OidcConfig(issuer=issuer.url, audience=CLIENT, groups=GROUPS)
        authenticator = Authenticator(config.model_copy(update={"oidc": oidc}), database)
        assert (await authenticator.identify(issuer.token())).role is Role.AGENT
        public = issuer.keys["first"].public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        claims = {"iss": issuer.url, "sub": "a", "role": "admin", "exp": 2**40}
        for alg in ("HS256", "none", "RS512"):
            with pytest.raises(NotAuthenticated):
                await authenticator.identify(_hmac_signed(claims, pem, alg))

    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    async def test_short_and_foreign_keys_are_not_taken_from_the_set(
        self, issuer: Issuer, verifier: OidcVerifier
    ) -> None:
        issuer.keys = {"short": generate_private_key(65537, 1024)}
        with pytest.raises(Unavailable):
            await verifier.principal(issuer.token())


def _hmac_signed(claims: dict[str, Any], secret: bytes, alg: str) -> str:
    """PyJWT itself refuses to sign with a public key; an attacker does not."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    header = {"alg": alg, "kid": "first"}
    signed = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, claims)
    )
    signature = base64.urlsafe_b64encode(algorithm.sign(signed, secret)).rstrip(b"=")
    return b".".join((signed, signature)).decode()


class TestConfig:
    @pytest.mark.parametrize(
        "issuer", ["http://issuer.example", "http://10.0.0.1", "ftp://localhost", "issuer", ""]
    )
    def test_plain_http_is_for_loopback_alone(self, issuer: str) -> None:
        with pytest.raises(ValidationError):
            OidcConfig(issuer=issuer, audience=CLIENT, groups=GROUPS)

    @pytest.mark.parametrize(
        "issuer", ["https://issuer.example/a", "http://localhost:1", "http://[::1]:1"]
    )
    def test_good_addresses(self, issuer: str) -> None:
        assert OidcConfig(issuer=issuer, audience=CLIENT, groups=GROUPS).issuer == issuer

    @pytest.mark.parametrize("role", [Role.CUSTOMER, Role.SERVICE])
    def test_groups_are_staff(self, role: Role) -> None:
        with pytest.raises(ValidationError):
            OidcConfig(issuer="https://i.example", audience=CLIENT, groups={"all": role})
