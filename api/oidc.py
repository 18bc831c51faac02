"""Tokens of an OpenID Connect issuer: Cognito or any other that signs with RS256.

Rules: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
"""

from typing import Any

from pydantic import ValidationError

from api.config import OidcConfig
from api.jwks import KeySet
from api.tokens import Subject, unverified_header, verified_claims
from domain.errors import InsufficientPermissions, NotAuthenticated
from domain.principals import Principal, Role

_LEEWAY = 60
"""Seconds that the issuer's clock and ours may differ."""
_GROUP_CLAIMS = ("cognito:groups", "groups")
_NAME_CLAIMS = ("name", "preferred_username", "cognito:username", "username")


class OidcVerifier:
    def __init__(self, config: OidcConfig) -> None:
        self._config = config
        self._keys = KeySet(config.issuer)

    async def principal(self, token: str) -> Principal:
        """Verify a token and map its groups to a role.

        Raises NotAuthenticated, InsufficientPermissions for a person in no known group, and
        Unavailable as long as the issuer's keys could not be fetched a first time.
        """
        # Only `kid` is taken from the header. A key, or an address of one, that a token brings
        # along (`jwk`, `jku`, `x5u`) would let anybody sign.
        kid = unverified_header(token).get("kid")
        if not isinstance(kid, str):
            raise NotAuthenticated
        key = await self._keys.key(kid)
        claims = verified_claims(token, key, "RS256", self._config.issuer, _LEEWAY)
        self._check_purpose(claims)
        return self._as_principal(claims)

    def _check_purpose(self, claims: dict[str, Any]) -> None:
        """Raise NotAuthenticated unless the token was made for us, and for this use.

        Cognito's access tokens have no `aud` and name their client in `client_id`; issuers
        other than Cognito have no `token_use`.
        """
        if claims.get("token_use", self._config.token_use) != self._config.token_use:
            raise NotAuthenticated
        audience = claims.get("aud")
        if audience is None and self._config.token_use == "access":  # noqa: S105  no password
            audience = claims.get("client_id")
        audiences = audience if isinstance(audience, list) else [audience]
        if self._config.audience not in audiences:
            raise NotAuthenticated

    def _as_principal(self, claims: dict[str, Any]) -> Principal:
        name = next((claims[claim] for claim in _NAME_CLAIMS if claim in claims), None)
        try:
            subject = Subject.model_validate(claims | {"name": name})
        except ValidationError:
            raise NotAuthenticated from None
        return Principal(self._role(claims), subject.id, subject.name, subject.email)

    def _role(self, claims: dict[str, Any]) -> Role:
        roles = {self._config.groups.get(group) for group in _groups(claims)}
        for role in (Role.ADMIN, Role.AGENT):
            if role in roles:
                return role
        raise InsufficientPermissions


def _groups(claims: dict[str, Any]) -> list[str]:
    lists = [claims.get(claim) for claim in _GROUP_CLAIMS]
    return [
        group
        for groups in lists
        if isinstance(groups, list)
        for group in groups
        if isinstance(group, str)
    ]
