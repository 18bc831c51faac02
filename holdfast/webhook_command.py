"""`holdfast webhook send`: a customer's message by the way on which a platform would bring it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from domain.text import storable
from holdfast.addresses import http_address
from holdfast.errors import NotRunning, SetupError
from holdfast.settings import Settings, load_settings

if TYPE_CHECKING:
    import httpx

# Imports inside the command, as in holdfast/cli.py.

_PATIENCE = 30.0
_LONGEST_ANSWER = 300
_MOST = 10_000

webhook = typer.Typer(help="Webhooks by hand, as platforms call them.", no_args_is_help=True)


@webhook.callback()
def _group() -> None:
    """Webhooks by hand, as platforms call them."""
    # Where there is no such function, typer leaves the only command's name out.


@webhook.command()
def send(
    platform: Annotated[
        Literal["whatsapp", "messenger", "twitter", "email"],
        typer.Argument(help="by which way"),
    ],
    text: Annotated[str, typer.Option(help="what the customer writes")],
    sender: Annotated[
        str | None, typer.Option("--from", help="who writes: a phone number, a user id, an address")
    ] = None,
    name: Annotated[str, typer.Option(help="their name; Messenger tells none")] = "Ada Lovelace",
    subject: Annotated[str, typer.Option(help="of an e-mail")] = "A question",
    url: Annotated[
        str | None, typer.Option(help="another Holdfast, like https://desk.example.org")
    ] = None,
    message_id: Annotated[
        str | None, typer.Option("--id", help="what the platform calls it; the same is taken once")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=_MOST, help="how many messages")] = 1,
) -> None:
    """Send what the real platform would send, signed, and say what came of it."""
    from holdfast.webhook_samples import PLATFORMS, Writing

    settings, chosen = load_settings(), PLATFORMS[platform]
    who = sender or chosen.sender
    words = (_saying("--text", text), _saying("--name", name), _saying("--subject", subject))

    def writing(number: int) -> Writing:
        now = datetime.now(UTC)
        return Writing(who, *words, _numbered(message_id, number) or chosen.new_id(now), now)

    writings = map(writing, range(1, count + 1))
    target = _base(settings, url) + chosen.path
    shown = _post_all(target, (chosen.signed(settings, each) for each in writings))
    what = "1 message" if count == 1 else f"each of {count} messages"
    typer.echo(
        f"{shown} to {what} by {chosen.title} from {who}. "
        f"See GET /api/tickets/?channel={chosen.channel}"
    )


def _base(settings: Settings, url: str | None) -> str:
    from holdfast.readiness import base_url

    try:
        return http_address(url) if url else base_url(settings)
    except ValueError:
        raise SetupError("--url must be a web address, like http://127.0.0.1:8000.") from None


def _saying(option: str, value: str) -> str:
    try:
        storable(value)
    except ValueError as error:
        raise SetupError(f"{option} {error}.") from None
    if not value.strip():
        raise SetupError(f"{option} must not be blank.")
    return value


def _numbered(message_id: str | None, number: int) -> str | None:
    """The first has the id that was asked for."""
    if message_id is None:
        return None
    return _saying("--id", message_id) + (f"-{number}" if number > 1 else "")


def _post_all(target: str, calls: Iterable[tuple[bytes, Mapping[str, str]]]) -> str:
    """Post them one after the other; the last answer."""
    import httpx

    shown = ""
    # What is on this machine is not asked for through a proxy.
    with httpx.Client(timeout=_PATIENCE, trust_env=False) as client:
        for number, (body, headers) in enumerate(calls, 1):
            try:
                answer = _post(client, target, body, headers)
            except NotRunning as error:
                if number == 1:
                    raise
                raise NotRunning(f"{error} {number - 1} were taken before.") from None
            shown = f"{answer.status_code} {' '.join(answer.text.split())[:_LONGEST_ANSWER]}"
            if answer.status_code != httpx.codes.OK:
                raise SetupError(f"{target} answers {shown} to message {number}.")
    return shown


def _post(
    client: "httpx.Client", target: str, body: bytes, headers: Mapping[str, str]
) -> "httpx.Response":
    import httpx

    try:
        return client.post(target, content=body, headers=headers)
    except httpx.TimeoutException:
        raise NotRunning(f"{target} does not answer in time.") from None
    except (httpx.TransportError, httpx.InvalidURL):
        raise NotRunning(
            f"Nothing answers at {target}. Start `holdfast up` in another terminal, or say --url."
        ) from None
