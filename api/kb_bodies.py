"""What clients send about articles."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.ticket_bodies import Tags
from domain.knowledge import Audience, Writing
from domain.text import storable


def _saying_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return storable(text)


_SAYING_PATTERN = Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"})

TitleText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_saying_something),
    _SAYING_PATTERN,
]
BodyText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100_000),
    AfterValidator(_saying_something),
    _SAYING_PATTERN,
    Field(description="Markdown."),
]
Language = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2}$"),
    Field(description="ISO 639-1. It says in which forms a word is found.", examples=["en"]),
]
Version = Annotated[
    int,
    Field(ge=1, le=2**31 - 1, description="The one you have read: 409 when it is not the newest."),
]


QuestionText = Annotated[
    str,
    # Of four bytes each, percent-encoded, they are half of what a server takes as an address.
    StringConstraints(min_length=1, max_length=2_000),
    AfterValidator(_saying_something),
    _SAYING_PATTERN,
]


class WriteArticle(BaseModel):
    title: TitleText
    body: BodyText
    tags: Tags = Field(default_factory=list)
    audience: Audience = Audience.PUBLIC
    language: Language = "en"

    def writing(self) -> Writing:
        return Writing(self.title, self.body, tuple(self.tags), self.audience, self.language)


class ReplaceArticle(WriteArticle):
    """Tags, audience and language that are left out are what they are for a new article."""

    version: Version | None = None


class UpdateArticle(BaseModel):
    """What is left out, or null, stays as it is."""

    title: TitleText | None = None
    body: BodyText | None = None
    tags: Tags | None = None
    audience: Audience | None = None
    language: Language | None = None
    version: Version | None = None

    @property
    def changes_nothing(self) -> bool:
        return all(value is None for value in self.model_dump(exclude={"version"}).values())

    def upon(self, was: Writing) -> Writing:
        return Writing(
            was.title if self.title is None else self.title,
            was.body if self.body is None else self.body,
            was.tags if self.tags is None else tuple(self.tags),
            was.audience if self.audience is None else self.audience,
            was.language if self.language is None else self.language,
        )
