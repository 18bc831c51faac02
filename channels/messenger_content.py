"""What a Messenger message says: its text and files.

What cannot be shown as text or file is named, so that agents see that there was something.
"""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from channels.heard import File
from channels.untrusted import Object, at, name, number, objects, short, text

_FILES = {
    "image": "Sent an image.",
    "audio": "Sent an audio recording.",
    "video": "Sent a video.",
    "file": "Sent a file.",
}
_MOST_ATTACHMENTS = 30
"""As many images as Messenger lets people send at once."""
_LONGEST_URL = 4_000
_LONGEST_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Content:
    text: str
    files: tuple[File, ...] = ()


def content_of(message: JsonValue) -> Content:
    """Its `text` is never empty."""
    attachments = objects(at(message, "attachments"))[:_MOST_ATTACHMENTS]
    files = tuple(file for each in attachments if (file := _file(each)))
    said = text(at(message, "text"))
    # A link in a text comes as an attachment, too.
    named = list(dict.fromkeys(_named(each) for each in attachments))
    return Content(said or "\n".join(named) or "Sent an empty message.", files)


def _file(attachment: Object) -> File | None:
    url = _url(attachment)
    if url is None or short(attachment.get("type")) not in _FILES:
        return None
    return File(reference=url, name=_file_name(url))


def _url(attachment: Object) -> str | None:
    """Where it lies. Payloads can be missing, when the file was lost or is held back."""
    url = name(at(attachment, "payload", "url"), _LONGEST_URL)
    return url if url and url.startswith(("https://", "http://")) else None


def _file_name(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return short(unquote(path.rsplit("/", 1)[-1]))


def _named(attachment: Object) -> str:
    kind = short(attachment.get("type"), 50)
    match kind:
        case "image" if at(attachment, "payload", "sticker_id") is not None:
            return "Sent a sticker."
        case "location":
            return _location(attachment)
        case "template":
            return _with("Sent a template", _title(attachment))
        case "fallback":
            return _with("Sent a link", _title(attachment), _link(attachment))
        case _ if kind in _FILES:
            return _FILES[kind]
        case _:
            return _with("Sent something that cannot be shown here", kind, _link(attachment))


def _location(attachment: Object) -> str:
    place = at(attachment, "payload", "coordinates")
    latitude, longitude = number(at(place, "lat")), number(at(place, "long"))
    if latitude is None or longitude is None:
        return "Sent a location."
    return f"Sent a location: {latitude:.6f}, {longitude:.6f}"


def _title(attachment: Object) -> str:
    first = at(attachment, "payload", "elements", 0, "title")
    titles = (attachment.get("title"), at(attachment, "payload", "title"), first)
    return next((found for each in titles if (found := short(each))), "")


def _link(attachment: Object) -> str:
    own = name(attachment.get("url"), _LONGEST_SHOWN)
    return own or name(at(attachment, "payload", "url"), _LONGEST_SHOWN) or ""


def _with(what: str, *words: str) -> str:
    told = " ".join(each for each in words if each)
    return f"{what}: {told}" if told else f"{what}."
