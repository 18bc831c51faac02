"""What `holdfast up` shows once everything runs."""

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
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


_TICKET = (
    '{"source": {"channel": "api"}, "customer": {"name": "Ada", "primary_email": '
    '"ada@example.com"}, "subject": "Cannot check out", "initial_message": '
    '"The payment page stays blank.", "priority": "high"}'
)
