"""What Temporal says when it does not do what it is asked, in our words."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain import errors
from domain.errors import EngineUnavailable, HoldfastError

# Busy, or caught in the instant in which a workflow ends or begins anew.
_TRY_AGAIN = {
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.ABORTED,
}
_NOT_OURS = {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}
_ENDED = "AcceptedUpdateCompletedWorkflow"

Result = TypeVar("Result")


class TryAgain(EngineUnavailable):
    """Temporal is busy, or the workflow is just about to end or to begin anew."""


class NotThere(EngineUnavailable):
    """There is no such workflow, or it has ended."""


class AlreadyThere(EngineUnavailable):
    pass


class NotOurs(EngineUnavailable):
    """Somebody else may do this, or nobody."""


async def persist(call: Callable[[], Awaitable[Result]], patience: float) -> Result:
    """Try until it is done, refused for a reason, or `patience` seconds have passed.

    Raises what the call raises, and EngineUnavailable.
    """
    pause = 0.02
    try:
        async with asyncio.timeout(patience):
            while True:
                try:
                    return await call()
                except (TryAgain, NotThere):
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                    pause = min(pause * 2, 0.5)
    except TimeoutError:
        raise EngineUnavailable from None


@contextmanager
def translated() -> Iterator[None]:
    """Temporal's errors in our words: ours, or one of the three above for the door to mend."""
    try:
        yield
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise EngineUnavailable from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotThere from error
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            raise AlreadyThere from error
        if error.status in _NOT_OURS:
            raise NotOurs from error
        if error.status in _TRY_AGAIN:
            raise TryAgain from error
        raise EngineUnavailable from error
    except RuntimeError as error:
        # A lazy client that cannot connect says so by this bare class.
        raise EngineUnavailable from error


def _refusal(error: WorkflowUpdateFailedError) -> Exception:
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return EngineUnavailable()
    if cause.type == _ENDED:
        return TryAgain()
    refusal = getattr(errors, cause.type or "", None)
    if isinstance(refusal, type) and issubclass(refusal, HoldfastError):
        return refusal(cause.message)
    return EngineUnavailable()
