"""The query parameters of every list."""

from typing import Annotated, Any

from fastapi import Query

# The offset must stay within PostgreSQL's bigint, and nobody reads that far.
Page = Annotated[int, Query(ge=1, le=1_000_000, description="The first page is 1.")]
PageSize = Annotated[int, Query(ge=1, le=100)]
DEFAULT_PAGE_SIZE = 20
TOTAL_COUNT = "X-Total-Count"


def describe_total(what: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for a list that says by a header how many there are in all."""
    return {
        200: {"headers": {TOTAL_COUNT: {"description": what, "schema": {"type": "integer"}}}},
    }
