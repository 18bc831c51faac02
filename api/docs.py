"""The interactive documentation. Its scripts come from this process, nothing from elsewhere."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.responses import FileResponse, JSONResponse

from api.access import allow_anybody
from api.routes import Routes
from domain.errors import NotFound

# fastapi-offline carries Swagger UI and ReDoc as files; of its code nothing is used.
_BUNDLES = Path(str(files("fastapi_offline"))) / "static"
_PAGES = Path(__file__).parent / "static"
_ASSETS = {
    "swagger-ui.css": _BUNDLES,
    "swagger-ui-bundle.js": _BUNDLES,
    "redoc.standalone.js": _BUNDLES,
    "start.js": _PAGES,
}

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",  # both pages style themselves by script
    "img-src 'self' data:",
    "connect-src 'self'",
    "worker-src blob:",  # ReDoc searches in a worker
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_PAGE_HEADERS = {"Content-Security-Policy": "; ".join(_POLICY)}
_ASSET_HEADERS = {"Cache-Control": "public, max-age=86400"}

router = Routes(prefix="/api", include_in_schema=False, dependencies=[allow_anybody()])


@router.get("/openapi.json")
async def openapi_document(request: Request) -> JSONResponse:
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)


@router.get("/docs")
async def swagger_ui() -> FileResponse:
    return FileResponse(_PAGES / "docs.html", headers=_PAGE_HEADERS)


@router.get("/redoc")
async def redoc() -> FileResponse:
    return FileResponse(_PAGES / "redoc.html", headers=_PAGE_HEADERS)


@router.get("/docs/assets/{name}")
async def asset(name: str) -> FileResponse:
    folder = _ASSETS.get(name)
    if folder is None:
        raise NotFound
    return FileResponse(folder / name, headers=_ASSET_HEADERS)
