"""Seed 004's webhooks: platforms call them, and show by a signature who they are.

A body is signed, counted and read in this order, and answered once it is stored: platforms send
again what was not answered with 200.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import Header, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, JsonValue, SecretStr

from api.access import allow_anybody
from api.bodies import parse_json
from api.errors import describe
from api.idempotency import json_answer
from api.platforms import take
from api.routes import Routes
from api.services import ServicesDep
from channels import messenger, meta, whatsapp, x
from channels.heard import Heard
from domain.errors import NotConfigured, NotSigned
from domain.models import Channel
from domain.text import ShortText

OPEN = allow_anybody(unlimited=True)
"""The signature is the token, and calls are counted after it."""
MAX_META_BODY = 3 * 1024 * 1024
"""Bytes, as Meta says."""
_META_PATIENCE = 30.0
"""Seconds: Meta puts up to a thousand events into one body, and each is a transaction. What has not
been taken by then comes again."""
_LARGE = 64 * 1024

_WRONG_TOKEN = "hub.verify_token is not the one that was set here, or hub.challenge is missing."  # noqa: S105  no password
_BODY = {
    "requestBody": {
        "required": True,
        "description": "As the platform writes it. What is not known in it does no harm.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


_CHALLENGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "hub.challenge, as it came.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


class Stored(BaseModel):
    status: Literal["ok"] = "ok"


class CrcAnswer(BaseModel):
    response_token: str


HubSignature = Annotated[
    str | None,
    Header(
        alias="X-Hub-Signature-256",
        description="`sha256=` and the HMAC-SHA256 of the raw body with the app's secret, in hex.",
    ),
]
XSignature = Annotated[
    str | None,
    Header(alias=x.SIGNATURE, description="The same with the consumer secret, in base64."),
]
CrcToken = Annotated[
    str,
    Query(
        # Whatever is answered here is its signature: nothing is that could be a body to be signed.
        pattern=r"^[A-Za-z0-9+/=._~:-]+$",
        max_length=200,
    ),
]

HubMode = Annotated[ShortText | None, Query(alias="hub.mode")]
HubToken = Annotated[ShortText | None, Query(alias="hub.verify_token")]
HubChallenge = Annotated[ShortText | None, Query(alias="hub.challenge")]

meta_router = Routes(
    prefix="/api/webhooks", tags=["Webhooks"], max_body=MAX_META_BODY, patience=_META_PATIENCE
)
router = Routes(prefix="/api/webhooks", tags=["Webhooks"])


@meta_router.post(
    "/facebook",
    response_model=Stored,
    dependencies=[OPEN],
    responses=describe(NotSigned, NotConfigured),
    openapi_extra=_BODY,
)
async def take_from_messenger(
    request: Request, services: ServicesDep, signature: HubSignature = None
) -> Response:
    """What people write to our page in Messenger, and what became of our answers."""
    _require(meta.signature_holds, _app_secret(services), await request.body(), signature)
    return await _take(request, services, Channel.FACEBOOK, messenger.parse)


@meta_router.post(
    "/whatsapp",
    response_model=Stored,
    dependencies=[OPEN],
    responses=describe(NotSigned, NotConfigured),
    openapi_extra=_BODY,
)
async def take_from_whatsapp(
    request: Request, services: ServicesDep, signature: HubSignature = None
) -> Response:
    """What people write to our number, and what became of our answers."""
    _require(meta.signature_holds, _app_secret(services), await request.body(), signature)
    return await _take(request, services, Channel.WHATSAPP, whatsapp.parse)


@router.get(
    "/facebook",
    dependencies=[OPEN],
    responses=describe(NotSigned, NotConfigured) | _CHALLENGE,
)
@router.get(
    "/whatsapp",
    dependencies=[OPEN],
    responses=describe(NotSigned, NotConfigured) | _CHALLENGE,
)
async def verify_for_meta(
    services: ServicesDep,
    mode: HubMode = None,
    token: HubToken = None,
    challenge: HubChallenge = None,
) -> Response:
    """Meta asks whether this address is ours, and gets its challenge back."""
    word = _set_up(services.config.accounts.meta.verify_token, "META_VERIFY_TOKEN")
    answer = meta.challenge(mode, token, challenge, word)
    if answer is None:
        raise NotSigned(_WRONG_TOKEN)
    return PlainTextResponse(answer)


@router.post(
    "/twitter",
    response_model=Stored,
    dependencies=[OPEN],
    responses=describe(NotSigned, NotConfigured),
    openapi_extra=_BODY,
)
async def take_from_x(
    request: Request, services: ServicesDep, signature: XSignature = None
) -> Response:
    """Direct messages to our account at X, and ours as they come back."""
    _require(x.signature_holds, _consumer_secret(services), await request.body(), signature)
    return await _take(request, services, Channel.TWITTER, x.parse)


@router.get("/twitter", dependencies=[OPEN], responses=describe(NotConfigured))
async def answer_crc(services: ServicesDep, crc_token: CrcToken) -> CrcAnswer:
    """X asks, every hour, whether we know the consumer secret."""
    return CrcAnswer(response_token=x.crc_answer(_consumer_secret(services), crc_token))


def _require(
    holds: Callable[[SecretStr, bytes, str | None], bool],
    secret: SecretStr,
    body: bytes,
    signature: str | None,
) -> None:
    if not holds(secret, body, signature):
        raise NotSigned


async def _take(
    request: Request,
    services: ServicesDep,
    channel: Channel,
    parse: Callable[[JsonValue], Sequence[Heard]],
) -> Response:
    await services.count_webhook(channel)
    body = await request.body()
    # Thousands of events take a second to read, in which nobody else shall wait.
    large = len(body) > _LARGE
    events = await asyncio.to_thread(_read, parse, body) if large else _read(parse, body)
    await take(services, channel, events)
    return json_answer(Stored())


def _read(parse: Callable[[JsonValue], Sequence[Heard]], body: bytes) -> Sequence[Heard]:
    return parse(parse_json(body))


def _app_secret(services: ServicesDep) -> SecretStr:
    return _set_up(services.config.accounts.meta.app_secret, "META_APP_SECRET")


def _consumer_secret(services: ServicesDep) -> SecretStr:
    return _set_up(services.config.accounts.x_consumer_secret, "X_CONSUMER_SECRET")


def _set_up(secret: SecretStr | None, setting: str) -> SecretStr:
    if secret is None:
        raise NotConfigured(f"This webhook needs {setting}, which is not set.")
    return secret
