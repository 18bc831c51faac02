"""What `holdfast doctor` says of the channels to outside platforms: whether each hears, and whether
it can answer, which is tried."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import JsonValue
from pydantic_core import from_json

from channels.accounts import MessengerAccount, WhatsAppAccount, XAccount
from channels.graph_errors import MESSENGER, WHATSAPP, Book
from channels.untrusted import Object, at, name, short
from domain.errors import HoldfastError
from holdfast.errors import SetupError
from holdfast.settings import Settings

PATIENCE = 5.0
"""Seconds for a platform's answer."""
_STRANGER = "What answers is not Meta's Graph API. Look at the setting GRAPH_API_URL."

Look = Callable[[], Awaitable[str]]
"""Returns a sentence. Raises SetupError with what is not well."""


@dataclass(frozen=True, slots=True)
class Half:
    """Hearing or answering, in words that start with a verb. What is not set up is well, too."""

    says: str
    works: bool = True
    well: bool = True


def looks(settings: Settings) -> dict[str, Look]:
    """How to look at each channel that has any of its settings, by its name."""
    accounts = settings.channel_accounts()
    meta = bool(accounts.meta.app_secret or accounts.meta.verify_token)
    found: dict[str, Look] = {}
    if accounts.whatsapp or meta:
        found["whatsapp"] = lambda: _whatsapp(settings, accounts.whatsapp)
    if accounts.messenger or meta:
        found["messenger"] = lambda: _messenger(settings, accounts.messenger)
    if accounts.x or accounts.x_consumer_secret:
        found["x"] = lambda: _x(settings, accounts.x)
    if settings.email_address:
        found["e-mail"] = lambda: _mail(settings)
    return found


async def _whatsapp(settings: Settings, account: WhatsAppAccount | None) -> str:
    if account is None:
        answers = cannot_answer("WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_TOKEN")
    else:
        path = f"{account.phone_number_id}?fields=display_phone_number,verified_name"
        answers = await tried(lambda: _graph(account, path, WHATSAPP, account.phone_number_id))
    return summed_up(_hears_meta(settings), answers)


async def _messenger(settings: Settings, account: MessengerAccount | None) -> str:
    if account is None:
        answers = cannot_answer("MESSENGER_PAGE_ID and MESSENGER_PAGE_TOKEN")
    else:
        path = f"{account.page_id}?fields=name"
        answers = await tried(lambda: _graph(account, path, MESSENGER, account.page_id))
    return summed_up(_hears_meta(settings), answers)


async def _x(settings: Settings, account: XAccount | None) -> str:
    if settings.x_consumer_secret is None:
        hears = hears_nothing("X_CONSUMER_SECRET")
    else:
        hears = Half("hears")
    if account is None:
        answers = cannot_answer("X_ACCOUNT_ID and X_ACCESS_TOKEN")
    else:
        answers = await tried(lambda: _ask_x(account))
    return summed_up(hears, answers)


async def _mail(settings: Settings) -> str:
    # Imported here: the libraries for mail take a while.
    from holdfast.mail_look import answers, hears

    return summed_up(await hears(settings), await answers(settings))


def hears_nothing(missing: str) -> Half:
    return Half(f"hears nothing: set {missing}", works=False, well=False)


def cannot_answer(missing: str) -> Half:
    return Half(f"cannot answer: set {missing}", works=False)


async def tried(answer: Look) -> Half:
    """What came of an attempt to answer; `answer` returns as whom."""
    try:
        return Half(f"answers as {await answer()}")
    except HoldfastError as error:
        return Half(f"cannot answer: {error}", works=False, well=False)


def summed_up(hears: Half, answers: Half) -> str:
    """Raises SetupError unless it hears, and answers where it is meant to."""
    first, second = sorted((hears, answers), key=lambda half: not half.works)
    joint = " and " if second.works else ", but " if first.works else "; "
    says = f"{first.says.rstrip('.')}{joint}{second.says}"
    if not (hears.well and answers.well):
        raise SetupError(says)
    return says


def _hears_meta(settings: Settings) -> Half:
    if settings.meta_app_secret is None:
        return hears_nothing("META_APP_SECRET")
    if settings.meta_verify_token is None:
        says = "has no word by which Meta verifies the webhook: set META_VERIFY_TOKEN"
        return Half(says, works=False, well=False)
    return Half("hears")


async def _graph(
    account: WhatsAppAccount | MessengerAccount, path: str, book: Book, account_id: str
) -> str:
    # Imported here, as with everything that only some channels need.
    import httpx

    from channels.graph import Graph, new_client

    with _in_time("Meta's Graph API"):
        async with new_client(httpx.Timeout(PATIENCE)) as client, asyncio.timeout(PATIENCE):
            told = await Graph(client, account.api, account.token, book).get(path)
    if told.get("id") != account_id:
        raise SetupError(_STRANGER)
    return _named_by_meta(told)


def _named_by_meta(told: Object) -> str:
    number = short(told.get("display_phone_number"))
    named = short(told.get("verified_name")) or short(told.get("name")) or "an account without name"
    return f"{named} ({number})" if number else named


async def _ask_x(account: XAccount) -> str:
    status, told = await _me_at_x(account)
    if status == HTTPStatus.UNAUTHORIZED:
        raise SetupError("X refuses the token. Renew X_ACCESS_TOKEN.")
    if status == HTTPStatus.FORBIDDEN:
        raise SetupError("X does not let the app act for the account. Look at the token's scopes.")
    account_id = name(at(told, "data", "id"))
    if account_id is None:
        raise SetupError(
            f"X does not say whose token it is (HTTP status {status}). "
            "Look at X_API_URL, or try again later."
        )
    if account_id != account.account_id:
        raise SetupError(f"X_ACCESS_TOKEN is for account {account_id}, and not for X_ACCOUNT_ID.")
    return f"@{short(at(told, 'data', 'username'))}"


async def _me_at_x(account: XAccount) -> tuple[int, JsonValue]:
    """The answer's status and body; None for what is no JSON."""
    import httpx

    headers = {"Authorization": f"Bearer {account.token.get_secret_value()}"}
    try:
        with _in_time("X"):
            async with httpx.AsyncClient(timeout=PATIENCE) as client, asyncio.timeout(PATIENCE):
                answer = await client.get(f"{account.api}/2/users/me", headers=headers)
    except httpx.RequestError:
        raise SetupError("X cannot be reached. Look at X_API_URL.") from None
    try:
        return answer.status_code, from_json(answer.content)
    except ValueError:
        return answer.status_code, None


@contextmanager
def _in_time(whoever: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise SetupError(f"{whoever} does not answer within {PATIENCE:g} s.") from None
