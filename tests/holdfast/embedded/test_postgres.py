import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import psycopg
import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import NewerData, ServerDidNotStart


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        yield server


async def ask(dsn: str, query: str) -> object:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
        return row and row[0]


async def test_keeps_what_was_committed_over_kill_9(server: EmbeddedPostgres) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await server.wait() == -signal.SIGKILL
    await server.start()
    assert await ask(server.dsn, "SELECT answer FROM kept") == 42


async def test_comes_back_while_children_of_the_killed_one_linger(
    server: EmbeddedPostgres,
) -> None:
    """They hold the shared memory, and a new server refuses to start beside them."""
    client = await psycopg.AsyncConnection.connect(server.dsn)
    backend = psutil.Process(client.info.backend_pid)
    backend.suspend()  # so that it cannot see its postmaster go
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    start = asyncio.create_task(server.start())
    while "shared memory block" not in server.output.read_text():
        await asyncio.sleep(0.02)
    backend.resume()
    await start
    assert await ask(server.dsn, "SELECT 1") == 1
    await client.close()


async def test_folds_case_in_every_language(server: EmbeddedPostgres) -> None:
    assert await ask(server.dsn, "SELECT lower('ÄÖ ЖЫ')") == "äö жы"
    assert await ask(server.dsn, "SELECT to_tsvector('simple', 'ÄPFEL')::text") == "'äpfel':1"


async def test_is_for_its_owner_alone(server: EmbeddedPostgres) -> None:
    assert await ask(server.dsn, "SHOW listen_addresses") == ""
    assert await ask(server.dsn, "SHOW unix_socket_permissions") == "0700"
    assert server.folder.stat().st_mode & 0o077 == 0


async def test_never_gives_up_what_was_committed(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert await ask(server.dsn, "SHOW fsync") == "on"
        assert await ask(server.dsn, "SHOW synchronous_commit") == "on"


async def test_takes_a_long_path(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 25) / "postgres"
    deep.parent.mkdir()
    async with EmbeddedPostgres(deep, durable=False) as server:
        assert await ask(server.dsn, "SELECT 1") == 1
    socket_folder = Path(server.dsn.partition("host=")[2])
    assert socket_folder != deep
    shutil.rmtree(socket_folder)


async def test_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        assert await ask(server.dsn, "SELECT 1") == 1
    assert not (tmp_path / "postgres.new").exists()


async def test_stale_pid_file_of_somebody_else_is_no_obstacle(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        pid_file = server.folder / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    async with server:
        assert await ask(server.dsn, "SELECT 1") == 1


@pytest.mark.parametrize("version", ["17", "19"])
async def test_says_when_the_data_are_of_another_version(tmp_path: Path, version: str) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "PG_VERSION").write_text(f"{version}\n")
    with pytest.raises(NewerData, match=rf"PostgreSQL {version}.*HOLDFAST_DATA"):
        await EmbeddedPostgres(folder).start()


async def test_says_why_it_does_not_start(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        pass
    (server.folder / "postgresql.conf").write_text("port = everywhere\n")
    with pytest.raises(ServerDidNotStart, match=r'(?s)ended with code 1.*"port": "everywhere"'):
        await server.start()
