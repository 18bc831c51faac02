"""What files are taken for, whatever is in them and whatever they are called."""

from hypothesis import given
from hypothesis import strategies as st

from domain.files import MAX_NAME, Look, clean_name, name_by_type

SIGNATURES = [b"", b"GIF89a", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"RIFF", b"\0\0\0\x18ftyp", b"<"]
RUN_BY_BROWSERS = ("html", "svg", "xml", "javascript", "ecmascript", "flash")


@given(st.sampled_from(SIGNATURES), st.binary(max_size=300), st.text(max_size=20))
def test_no_file_is_ever_served_as_something_that_runs(
    signature: bytes, rest: bytes, name: str
) -> None:
    look = Look()
    look.see(signature + rest)
    served = look.content_type(name)
    assert not any(each in served.partition("openxml")[0] for each in RUN_BY_BROWSERS)


@given(st.text(max_size=500))
def test_clean_names_stay_as_they_are(name: str) -> None:
    cleaned = clean_name(name)
    assert 0 < len(cleaned) <= MAX_NAME
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert clean_name(cleaned) == cleaned


def test_nameless_files_are_called_by_their_type() -> None:
    assert name_by_type("image/jpeg") == "image.jpg"
    assert name_by_type("video/mp4; codecs=x") == "video.mp4"
    assert name_by_type("") == name_by_type("what/ever") == "file"
