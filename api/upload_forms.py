"""Reading one file out of a `multipart/form-data` body (RFC 7578) as it comes.

Nothing of it is held back, on disk or in memory: other fields are passed over.
"""

from collections.abc import AsyncIterator
from typing import Literal

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from domain.errors import InvalidRequest

FIELD = "file"
_LONGEST_BOUNDARY = 70
"""RFC 2046, 5.1.1."""
_MOST_PARTS = 50
"""Each takes as long as kilobytes of a file: a form of nothing else would hold up everybody."""


class FileInForm:
    """The field `file` of a form. Raises InvalidRequest for a form that has none, or is none."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= _LONGEST_BOUNDARY:
            raise InvalidRequest("Send the file as multipart/form-data, in the field file.")
        self.name = ""
        self._place: Literal["before", "within", "after"] = "before"
        self._complete = False
        self._empty = True
        self._parts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._bytes: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._read_header,
                "on_header_value": self._read_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_content,
                "on_part_data": self._read_content,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    async def read(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The file's bytes; `name` is known when the last of them are."""
        async for chunk in body:
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise InvalidRequest("The form is broken.") from None
            found = b"".join(self._bytes)
            self._bytes.clear()
            if found:
                self._empty = False
                yield found
        if not self._complete:
            raise InvalidRequest("The form is broken: it has no end.")
        if self._place == "before":
            raise InvalidRequest("The form has no file in the field file.")
        if self._empty:
            raise InvalidRequest("The file is empty.")

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise InvalidRequest("The form has too many fields. Send the file alone.")
        self._headers = {}

    def _read_header(self, data: bytes, start: int, end: int) -> None:
        # The parser itself bounds how many headers there are, and how long they are.
        self._header += data[start:end]

    def _read_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != FIELD.encode() or b"filename" not in options:
            return
        if self._place != "before":
            raise InvalidRequest("The form has several files; send them one by one.")
        self._place = "within"
        self.name = options[b"filename"].decode(errors="replace")

    def _read_content(self, data: bytes, start: int, end: int) -> None:
        if self._place == "within":
            self._bytes.append(data[start:end])

    def _end_part(self) -> None:
        if self._place == "within":
            self._place = "after"

    def _end(self) -> None:
        self._complete = True
