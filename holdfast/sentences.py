"""Errors in the words of the command line, which knows settings and not requests."""

from domain.errors import DatabaseUnavailable, HoldfastError


def sentence(error: HoldfastError) -> str:
    if isinstance(error, DatabaseUnavailable):
        reason = _first_line(error.__cause__)
        return (
            f"The database does not answer{reason}. "
            "Check DATABASE_URL, and whether PostgreSQL runs."
        )
    return str(error)


def _first_line(cause: BaseException | None) -> str:
    """The driver's own reason; it names host and user, and never a password."""
    driver = getattr(cause, "orig", cause)
    lines = str(driver or "").strip().splitlines()
    return f" ({lines[0].strip().rstrip('.')})" if lines else ""
