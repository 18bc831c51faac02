import os
import signal
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from domain.names import SEARCH_ATTRIBUTES
from holdfast.embedded.temporal import EmbeddedTemporal
from holdfast.errors import ServerDidNotStart
from holdfast.ports import free_port


async def test_keeps_its_workflows_over_kill_9(tmp_path: Path) -> None:
    server = EmbeddedTemporal(port=free_port(), file=tmp_path / "t.db", output=tmp_path / "log")
    async with server:
        client = await Client.connect(server.address)
        await client.start_workflow("Any", id="kept", task_queue="nobody's")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        await server.start()
        client = await Client.connect(server.address)
        description = await client.get_workflow_handle("kept").describe()
        assert description.workflow_type == "Any"


async def test_knows_our_search_attributes(temporal_server: EmbeddedTemporal) -> None:
    client = await Client.connect(temporal_server.address)
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace="default")
    )
    assert set(SEARCH_ATTRIBUTES) <= set(known.custom_attributes)


async def test_data_are_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    async with EmbeddedTemporal(port=free_port(), file=file, output=tmp_path / "log"):
        assert file.stat().st_mode & 0o077 == 0


async def test_pays_no_heed_to_the_environment_of_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "no-such-profile")
    monkeypatch.setenv("TEMPORAL_TLS", "true")
    async with EmbeddedTemporal(port=free_port(), output=tmp_path / "log") as server:
        assert server.pid is not None


async def test_says_why_it_does_not_start(tmp_path: Path) -> None:
    server = EmbeddedTemporal(port=free_port(), file=tmp_path, output=tmp_path / "log")
    with pytest.raises(ServerDidNotStart, match=r"(?s)temporal ended with code 1.*log"):
        await server.start()
