"""The Temporal cluster as an operator sees it: where it is, and whether it can serve us."""

import asyncio
from collections.abc import Collection

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import EngineUnavailable
from domain.names import SEARCH_ATTRIBUTES
from holdfast.errors import InvalidSetting
from workflows.connection import connect

_PATIENCE = 10.0


def is_configured() -> bool:
    """Whether Temporal's variables or its configuration file name a cluster to use.

    Raises InvalidSetting when the SDK cannot read them.
    """
    try:
        return ClientConfigProfile.load().address is not None
    except RuntimeError as error:
        raise InvalidSetting(f"Temporal's settings cannot be read: {error}.") from error


async def reach() -> Client:
    """A client whose cluster answers and has our namespace.

    Raises InvalidSetting, and EngineUnavailable with the address and what to check.
    """
    is_configured()
    client = await connect()
    address = client.service_client.config.target_host
    try:
        async with asyncio.timeout(_PATIENCE):
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace)
            )
    except RPCError as error:
        raise EngineUnavailable(_refusal(error, address, client.namespace)) from error
    except (RuntimeError, TimeoutError) as error:
        raise EngineUnavailable(_silence(address)) from error
    return client


async def missing_search_attributes(client: Client) -> Collection[str]:
    """Which of ours the namespace does not know. Raises RPCError."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return [name for name in SEARCH_ATTRIBUTES if name not in known.custom_attributes]


def _refusal(error: RPCError, address: str, namespace: str) -> str:
    match error.status:
        case RPCStatusCode.NOT_FOUND:
            return (
                f"Temporal at {address} has no namespace {namespace}. "
                "Make it, or set TEMPORAL_NAMESPACE."
            )
        case RPCStatusCode.UNAVAILABLE | RPCStatusCode.DEADLINE_EXCEEDED:
            return _silence(address)
        case _:
            return f"Temporal at {address} refuses: {error.message}."


def _silence(address: str) -> str:
    return f"Temporal does not answer at {address}. Check TEMPORAL_ADDRESS, and whether it runs."
