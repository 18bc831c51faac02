from pathlib import Path

import pytest

from holdfast.errors import AlreadyRunning, InvalidSetting
from holdfast.folder import DataFolder, write_private


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.make()
    return folder


def test_secret_is_made_once_and_kept(folder: DataFolder) -> None:
    assert folder.jwt_secret() is None
    made = folder.ensure_jwt_secret()
    assert len(made.encode()) >= 32
    assert DataFolder(folder.path).ensure_jwt_secret() == made


def test_secrets_are_for_the_owner_alone(folder: DataFolder) -> None:
    folder.ensure_jwt_secret()
    folder.keep_admin_key("sk_x")
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.path.iterdir()}
    assert modes == {
        "jwt-secret": 0o600,
        "admin-key": 0o600,
        "run": 0o700,
        "log": 0o700,
    }
    assert folder.path.stat().st_mode & 0o077 == 0


def test_private_file_replaces_a_half_written_one(tmp_path: Path) -> None:
    (tmp_path / "note.new").write_text("half")
    write_private(tmp_path / "note", "whole")
    assert (tmp_path / "note").read_text() == "whole"
    assert not (tmp_path / "note.new").exists()


def test_two_cannot_have_it(folder: DataFolder) -> None:
    with (
        folder.lock(),
        pytest.raises(AlreadyRunning, match="HOLDFAST_DATA"),
        DataFolder(folder.path).lock(),
    ):
        pass
    with folder.lock():
        pass


def test_says_when_it_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSetting, match=r"HOLDFAST_DATA .*/file"):
        DataFolder(tmp_path / "file").make()


def test_large_log_is_put_aside(folder: DataFolder) -> None:
    log = folder.log("temporal")
    with log.open("w") as file:
        file.truncate(11 * 1024 * 1024)
    assert folder.log("temporal") == log
    assert not log.exists()
