"""Keeps what people wrote out of workflow histories, also when something fails."""

import structlog
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.errors import HoldfastError

log = structlog.get_logger(__name__)


class DiscreetFailures(Interceptor):
    """Temporal keeps the messages of failures as plain text, and a database's own message may
    quote the row that it refused. So only the class of an unexpected failure gets there."""

    def intercept_activity(self, inner: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Discreet(inner)


class _Discreet(ActivityInboundInterceptor):
    async def execute_activity(self, call: ExecuteActivityInput) -> object:
        try:
            return await self.next.execute_activity(call)
        except ApplicationError:
            raise
        except HoldfastError as error:
            raise ApplicationError(str(error), type=type(error).__name__) from None
        except Exception as error:
            log.warning("activity_failed", exc_info=True)
            name = type(error).__name__
            raise ApplicationError(f"{name}; the worker's log says more", type=name) from None
