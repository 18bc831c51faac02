"""Forms with a file in them (RFC 7578), sent as they are read: files are never held in memory."""

from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

from channels.files import OpenedFile
from channels.outlet import NotNow

_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""As browsers write names, https://html.spec.whatwg.org/#multipart-form-data."""


class Form:
    """`fields`, and a file under the name `file_field`. It can be sent once.

    `complete` as soon as all of it was asked for: before, nobody can have taken it.
    """

    def __init__(
        self, fields: Mapping[str, str], file_field: str, file: OpenedFile, content_type: str
    ) -> None:
        boundary = uuid4().hex
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{each}"\r\n\r\n{value}\r\n'
            for each, value in fields.items()
        )
        head += (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{file_field}"; '
            f'filename="{file.name.translate(_QUOTED)}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n"
        )
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._file = file
        self.complete = False
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + file.size + len(self._tail)),
        }

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises NotNow when the file is not as long as it said."""
        yield self._head
        left = self._file.size
        async for chunk in self._file.chunks:
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left:
            raise NotNow("A file of the message could not be read.")
        self.complete = True
        yield self._tail
