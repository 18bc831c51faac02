"""How Temporal is reached."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import RetryConfig


async def connect(*, lazy: bool = True) -> Client:
    """A client by Temporal's own environment variables and profiles.

    A lazy one connects at its first call, so that a process can start before Temporal does.
    Workers need another: it raises RuntimeError when Temporal cannot be reached.
    """
    profile = ClientConfigProfile.load()
    return await Client.connect(
        **({"target_host": "localhost:7233"} | profile.to_client_connect_config()),
        data_converter=pydantic_data_converter,
        lazy=lazy,
        # Callers are told soon, and the relay tries again: the client need not be patient.
        retry_config=RetryConfig(max_elapsed_time_millis=2_000, max_retries=3),
    )
