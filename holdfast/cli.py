"""The command line. Results go to stdout and nothing else does; what went wrong goes to stderr."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from pydantic import SecretStr

from domain.errors import HoldfastError
from domain.principals import Role, Scope
from holdfast.access import reach_stack, signing_secret
from holdfast.errors import SetupError
from holdfast.lean import without_extras
from holdfast.sentences import sentence
from holdfast.settings import SAFE_SECRET_BYTES, Settings, load_settings
from holdfast.webhook_command import webhook

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

# Imports inside commands keep `holdfast token` at a fifth of a second, and the libraries of one
# process out of the memory of the others.

app = typer.Typer(
    help="A support desk whose tickets are durable workflows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
key = typer.Typer(help="Service keys of back ends.", no_args_is_help=True)
agent = typer.Typer(help="Agents.", no_args_is_help=True)
chat = typer.Typer(help="Live chat by hand, from two terminals.", no_args_is_help=True)
kb = typer.Typer(help="Articles of the knowledge base.", no_args_is_help=True)
app.add_typer(key, name="key")
app.add_typer(agent, name="agent")
app.add_typer(chat, name="chat")
app.add_typer(kb, name="kb")
app.add_typer(webhook, name="webhook")


def main() -> None:
    """Every failure that has a sentence is told in it, and ends with code 1."""
    try:
        app()
    except HoldfastError as error:
        sys.exit(f"holdfast: {sentence(error)}")
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def up() -> None:
    """Run everything on this machine: database, Temporal, API and worker."""
    from holdfast.up import up as run

    settings = load_settings()
    asyncio.run(run(settings, typer.echo))


@app.command()
def api() -> None:
    """Run an API process."""
    from holdfast.ports import bind_all

    settings = _complete_settings()
    # Before the long imports: a taken port is said at once, and early callers wait in line.
    sockets = bind_all(settings.host, settings.ports)
    without_extras(redis=settings.redis_url is not None)
    from workers.api import run

    _run_quickly(run(settings, sockets))


@app.command()
def worker() -> None:
    """Run a worker process."""
    settings = _complete_settings()
    without_extras(redis=False)
    from workers.threads import run

    _run_quickly(run(settings))


@app.command()
def bridge() -> None:
    """Run a bridge process: the XMPP account of the settings, in turn with other bridges."""
    settings = _complete_settings()
    without_extras(redis=False)
    from holdfast.xmpp import Xmpp
    from workers.bridge import run

    _run_quickly(run(settings, Xmpp.of(settings)))


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    from store.migrate import upgrade

    upgrade(reach_stack(load_settings()).dsn)


@app.command()
def doctor() -> None:
    """Say what is missing or unreachable."""
    from holdfast.doctor import examine

    findings = asyncio.run(examine(load_settings()))
    for finding in findings:
        typer.echo(finding)
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


@app.command()
def token(
    role: Annotated[Role, typer.Option(help="agent, admin or customer")],
    sub: Annotated[str, typer.Option(help="whose token it is")],
    name: Annotated[str | None, typer.Option()] = None,
    email: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Print a signed user token."""
    from holdfast.tokens import issue_token

    if role is Role.SERVICE:
        raise SetupError("Services use keys: holdfast key create --name NAME --scope SCOPE.")
    settings = load_settings()
    secret = _secret(settings)
    valid_for = settings.jwt_expires_in
    typer.echo(
        issue_token(secret, role=role, subject=sub, valid_for=valid_for, name=name, email=email)
    )


@key.command("create")
def key_create(
    name: Annotated[str, typer.Option(help="who will use it")],
    scope: Annotated[list[Scope], typer.Option(help="may be given several times")],
) -> None:
    """Print a new key. It is shown this once."""

    async def create() -> str:
        from store import keys

        async with _transaction() as session:
            return await keys.create(session, name, set(scope))

    typer.echo(asyncio.run(create()))


@key.command("list")
def key_list() -> None:
    """List all keys: id, name, scopes, since when, and whether they still hold."""

    async def lines() -> list[str]:
        from store import keys

        async with _transaction() as session:
            return [
                f"{each.id}  {each.created_at:%Y-%m-%d}  "
                f"{'revoked' if each.revoked_at else 'valid  '}  "
                f"{','.join(sorted(each.scopes))}  {each.name}"
                for each in await keys.list_all(session)
            ]

    for line in asyncio.run(lines()):
        typer.echo(line)


@key.command("revoke")
def key_revoke(key_id: Annotated[UUID, typer.Argument(help="as `key list` shows it")]) -> None:
    """End a key at once and for good."""

    async def revoke() -> bool:
        from store import keys

        async with _transaction() as session:
            return await keys.revoke(session, key_id)

    if not asyncio.run(revoke()):
        raise SetupError("There is no such key, or it was revoked before: see `holdfast key list`.")


@agent.command("add")
def agent_add(
    agent_id: Annotated[str, typer.Option("--id", help="the `sub` of the agent's tokens")],
    name: Annotated[str, typer.Option()],
    email: Annotated[str | None, typer.Option()] = None,
    department: Annotated[str | None, typer.Option(help="shown in team chat")] = None,
) -> None:
    """Make an agent known before their first call."""

    async def add() -> bool:
        from store import agents

        async with _transaction() as session:
            return await agents.add(session, agent_id, name, email, department)

    if not asyncio.run(add()):
        raise SetupError(f"There is an agent {agent_id} already.")


@chat.command("customer")
def chat_customer(
    name: Annotated[str | None, typer.Option(help="what agents call you")] = None,
) -> None:
    """Come to chat as a customer."""
    from holdfast.chat.customer import chat_as_customer
    from holdfast.chat.terminal import Terminal
    from holdfast.readiness import base_url

    asyncio.run(chat_as_customer(base_url(load_settings()), name, Terminal()))


@chat.command("agent")
def chat_agent(
    name: Annotated[str, typer.Option(help="what customers call you")] = "Agent",
    agent_id: Annotated[
        str | None, typer.Option("--id", help="who you are; the name, if left out")
    ] = None,
) -> None:
    """See who waits, and talk with them."""
    from holdfast.chat.agent import chat_as_agent
    from holdfast.chat.rest import require_server
    from holdfast.chat.terminal import Terminal
    from holdfast.readiness import base_url
    from holdfast.tokens import issue_token

    settings = load_settings()
    url = base_url(settings)
    # Before the secret is looked for: where nothing has run yet, there is none.
    asyncio.run(require_server(url))
    new_token = partial(
        issue_token,
        _secret(settings),
        role=Role.AGENT,
        subject=agent_id or name,
        name=name,
        valid_for=settings.jwt_expires_in,
    )
    asyncio.run(chat_as_agent(url, new_token, Terminal()))


@kb.command("import")
def kb_import(
    folder: Annotated[
        Path, typer.Argument(help="every *.md below it is an article", exists=True, file_okay=False)
    ],
) -> None:
    """Take a folder of Markdown files in, or what has changed in it since the last time."""
    from holdfast.articles import import_writings, read_folder

    writings = read_folder(folder)

    async def take() -> str:
        async with _transaction() as session:
            return await import_writings(session, writings)

    typer.echo(asyncio.run(take()))


@kb.command("list")
def kb_list() -> None:
    """List all articles, the newest first: id, last change, audience, language, title."""

    async def tell() -> None:
        from holdfast.articles import article_lines

        async with _transaction() as session:
            async for line in article_lines(session):
                typer.echo(line)

    asyncio.run(tell())


def _run_quickly(process: Coroutine[None, None, None]) -> None:
    """On uvloop, which takes a third of an event loop's work off a busy process."""
    import uvloop

    uvloop.run(process)


def _complete_settings() -> Settings:
    """With a database and a secret, from the settings or from the running stack."""
    from holdfast.cluster import is_configured

    settings = reach_stack(load_settings())
    secret = _secret(settings)
    is_configured()  # says it when Temporal's settings cannot be read
    return settings.model_copy(update={"jwt_secret": SecretStr(secret)})


def _secret(settings: Settings) -> str:
    secret = signing_secret(settings).get_secret_value()
    if len(secret.encode()) < SAFE_SECRET_BYTES:
        typer.echo(
            f"holdfast: JWT_SECRET is shorter than {SAFE_SECRET_BYTES} bytes, which makes its "
            "tokens easier to forge.",
            err=True,
        )
    return secret


@asynccontextmanager
async def _transaction() -> "AsyncIterator[AsyncSession]":
    """One transaction on a database whose schema is ours."""
    from store.database import Database
    from store.migrate import status

    url = reach_stack(load_settings()).dsn
    if not (await asyncio.to_thread(status, url)).up_to_date:
        raise SetupError("The database is not of this version. Run `holdfast migrate` first.")
    database = Database(url, pool_size=1)
    try:
        async with database.begin() as session:
            yield session
    finally:
        await database.close()
