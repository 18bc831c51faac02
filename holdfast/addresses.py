"""Web addresses in settings."""

from urllib.parse import urlsplit


def http_address(value: str) -> str:
    """Without a slash at its end. Raises ValueError."""
    parts = urlsplit(value)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError("must be a web address, like http://127.0.0.1:11434/v1")
    return value.rstrip("/")
