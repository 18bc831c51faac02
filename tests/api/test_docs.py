"""The documentation pages need nothing from elsewhere."""

import re

import httpx
import pytest
from fastapi import FastAPI

from store.database import Database

PAGES = ("/api/docs", "/api/redoc")


@pytest.fixture
def database() -> Database:
    """None is needed here: nobody who reads documentation is looked up."""
    return Database("postgresql://127.0.0.1:1/nowhere")


@pytest.mark.parametrize("page", PAGES)
async def test_pages_load_their_scripts_from_here(client: httpx.AsyncClient, page: str) -> None:
    html = await client.get(page)
    assert html.status_code == 200
    assert html.headers["Content-Type"].startswith("text/html")
    linked = re.findall(r'(?:src|href|spec-url)="([^"]+)"', html.text)
    loaded = [address for address in linked if address != "data:,"]
    assert len(loaded) >= 2
    for address in loaded:
        found = await client.get(httpx.URL(f"http://holdfast{page}").join(address))
        assert found.status_code == 200, address
        assert len(found.content) > 100


@pytest.mark.parametrize("page", PAGES)
async def test_pages_may_not_load_anything_else(client: httpx.AsyncClient, page: str) -> None:
    html = await client.get(page)
    policy = html.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "http" not in policy
    assert "http" not in html.text
    # An inline script would be stopped by the policy.
    assert not re.search(r"<script>|<script [^>]*>[^<]", html.text)


async def test_unknown_assets_are_404(client: httpx.AsyncClient) -> None:
    for name in ("nothing.js", "..%2f..%2fapp.py", "docs.html"):
        answer = await client.get(f"/api/docs/assets/{name}")
        assert answer.status_code == 404


async def test_the_document_is_served(client: httpx.AsyncClient, app: FastAPI) -> None:
    document = (await client.get("/api/openapi.json")).json()
    assert document == app.openapi()
    assert document["info"]["version"] == "1.2.3"
    assert document["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"


def test_every_operation_belongs_to_a_described_family(app: FastAPI) -> None:
    document = app.openapi()
    families = {tag["name"] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert len(families.intersection(operation["tags"])) == 1, (method, path)
