"""An endpoint that tells what reached it, for tests of what stands before every endpoint."""

from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel

from api.access import Caller, allow
from api.paging import Page
from api.routes import Routes
from domain.principals import Role, Scope
from domain.text import MessageText, Metadata, ShortText

router = Routes(prefix="/probe", dependencies=[allow(*Role, Scope.TICKETS)])


class Note(BaseModel):
    text: MessageText
    metadata: Metadata = {}
    count: int = 0
    ratio: float = 0.0


class Whoami(BaseModel):
    role: Role
    id: str
    name: str
    email: str


@router.get("/caller")
async def whoami(caller: Caller) -> Whoami:
    return Whoami(role=caller.role, id=caller.id, name=caller.name, email=caller.email)


@router.get("/list/{place}")
async def search(
    place: str, page: Page = 1, q: Annotated[ShortText | None, Query()] = None
) -> dict[str, str | int | None]:
    return {"place": place, "page": page, "q": q}


@router.post("/notes")
async def write(note: Note) -> Note:
    return note


@router.post("/failures")
async def fail() -> None:
    raise RuntimeError("a fault of ours")


def add_probe(app: FastAPI) -> None:
    app.include_router(router)
