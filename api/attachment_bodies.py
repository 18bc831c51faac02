"""Files in messages, as clients name them and see them."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.text import IdText, ShortText, UrlText

ADDRESS = "/api/attachments/"


class Attachment(BaseModel):
    """A file that was uploaded here, by its `id`, or one elsewhere, by its `url`.

    What an upload was answered is understood as it is. Of a file of ours, name, type and size are
    known already.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/a.png", "name": "a.png"}]}
    )

    id: IdText | None = Field(None, description="`att_…`, as an upload was answered.")
    url: UrlText | None = None
    name: ShortText = ""
    content_type: ShortText = ""
    size: Annotated[int, Field(ge=0, le=2**53)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _know_our_own_address(cls, given: Any) -> Any:  # noqa: ANN401  JSON
        if not isinstance(given, dict):
            return given
        url = given.get("url")
        if not isinstance(url, str) or not url.startswith(ADDRESS):
            return given
        named = url.removeprefix(ADDRESS)
        if given.get("id") not in (None, named):
            raise ValueError("id and url name two files")
        return given | {"id": named, "url": None}

    @model_validator(mode="after")
    def _names_one(self) -> "Attachment":
        if (self.id is None) == (self.url is None):
            raise ValueError("name either an id or a url")
        return self


Attachments = Annotated[list[Attachment], Field(max_length=20)]


def shown(files: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A message's files for clients: each with the address where it is to be had."""
    return [file | {"url": f"{ADDRESS}{file['id']}"} if "id" in file else file for file in files]
