"""What `holdfast up` shows once everything runs."""

import sys
from pathlib import Path


def welcome(*, api: str, temporal_ui: str | None, data: Path, key: str | None) -> str:
    """A few lines: what runs where, and a command to try at once."""
    lines = [
        "",
        "Holdfast is ready.",
        "",
        f"  API            {api}",
        f"  Documentation  {api}/api/docs",
        *([f"  Temporal UI    {temporal_ui}"] if temporal_ui else []),
        f"  Data           {data}",
        f"  Admin key      {key or 'make one: holdfast key create --name admin --scope admin'}",
        "",
        "Create a ticket:",
        "",
        f"  curl {api}/api/tickets/create \\",
        f"    -H 'Authorization: Bearer {key or '<key>'}' \\",
        "    -H 'Content-Type: application/json' \\",
        f"    -d '{_TICKET}'",
        "",
        "Talk with yourself, from two more terminals:",
        "",
        f"  {_command()} chat customer",
        f"  {_command()} chat agent",
        "",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _command() -> str:
    """`holdfast`, as the shell in this folder finds it."""
    installed = Path(sys.executable).with_name("holdfast")
    here = Path.cwd()
    return str(installed.relative_to(here) if installed.is_relative_to(here) else installed)


_TICKET = (
    '{"source": {"channel": "api"}, "customer": {"name": "Ada", "primary_email": '
    '"ada@example.com"}, "subject": "Cannot check out", "initial_message": '
    '"The payment page stays blank.", "priority": "high"}'
)
