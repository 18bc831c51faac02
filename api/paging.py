"""The query parameters of every list."""

from typing import Annotated

from fastapi import Query

# The offset must stay within PostgreSQL's bigint, and nobody reads that far.
Page = Annotated[int, Query(ge=1, le=1_000_000, description="The first page is 1.")]
PageSize = Annotated[int, Query(ge=1, le=100)]
DEFAULT_PAGE_SIZE = 20
