"""Nothing that people wrote gets into a failure."""

from typing import cast

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from domain.errors import TicketNotFound
from workers.discretion import DiscreetFailures

CALL = cast("ExecuteActivityInput", None)


class Failing(ActivityInboundInterceptor):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def execute_activity(self, _: ExecuteActivityInput) -> object:
        raise self._error


async def failure_of(error: Exception) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await DiscreetFailures().intercept_activity(Failing(error)).execute_activity(CALL)
    return caught.value


async def test_unexpected_failure_says_its_class_alone() -> None:
    failure = await failure_of(ValueError("Failing row contains (my password is hunter2)"))
    assert failure.type == "ValueError"
    assert "hunter2" not in str(failure)
    assert failure.__cause__ is None
    assert failure.__suppress_context__


async def test_own_error_keeps_its_sentence() -> None:
    failure = await failure_of(TicketNotFound())
    assert (failure.type, failure.message) == ("TicketNotFound", "Ticket not found")
