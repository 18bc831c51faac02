"""What Temporal's refusals become."""

from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import EngineUnavailable, HoldfastError
from workflows.engine import Engine
from workflows.refusals import AlreadyThere, NotOurs, NotThere, TryAgain, translated


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (RPCStatusCode.RESOURCE_EXHAUSTED, TryAgain),
        (RPCStatusCode.FAILED_PRECONDITION, TryAgain),
        (RPCStatusCode.NOT_FOUND, NotThere),
        (RPCStatusCode.ALREADY_EXISTS, AlreadyThere),
        (RPCStatusCode.PERMISSION_DENIED, NotOurs),
        (RPCStatusCode.UNAVAILABLE, EngineUnavailable),
        (RPCStatusCode.DEADLINE_EXCEEDED, EngineUnavailable),
    ],
)
def test_each_is_told_apart(status: RPCStatusCode, meaning: type[HoldfastError]) -> None:
    with pytest.raises(EngineUnavailable) as caught, translated():
        raise RPCError("no", status, b"")
    assert type(caught.value) is meaning


async def test_namespace_of_somebody_else_keeps_no_worker_from_starting() -> None:
    client = Mock(spec=Client, namespace="theirs")
    client.operator_service.add_search_attributes.side_effect = RPCError(
        "no", RPCStatusCode.PERMISSION_DENIED, b""
    )
    with capture_logs() as logs:
        await Engine(client).add_search_attributes()
    (told,) = logs
    assert "HoldfastStatus" in told["names"]
