"""The application behind a real HTTP server, in a thread with an event loop of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvicorn

from api.app import create_app
from api.config import ApiConfig
from store.database import Database
from tests.api.conftest import JudgingEngine
from workflows.engine import Engine


@contextmanager
def served(config: ApiConfig, database_url: str) -> Iterator[str]:
    """Yield the base address of the application."""
    database = Database(database_url)
    app = create_app(config, database, cast("Engine", JudgingEngine(database, config)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    bound = server.config.bind_socket()
    bound.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
