"""A file is whole or not there at all, and a new one never takes the place of another."""

import os
import stat
from pathlib import Path

import pytest

from zparkd.config.atomic_file import create_file, new_file, replace_file


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_new_file_has_its_content_and_mode(tmp_path: Path) -> None:
    create_file(tmp_path / "new", b"all of it", mode=0o640, group_of=tmp_path)
    assert (tmp_path / "new").read_bytes() == b"all of it"
    assert mode(tmp_path / "new") == 0o640
    assert os.listdir(tmp_path) == ["new"]


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "mine", b"other", mode=0o640, group_of=tmp_path)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["mine"]


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def write_half() -> None:
        with new_file(tmp_path / "new") as opened:
            opened.write(b"half")
            assert mode(Path(opened.name)) == 0o600
            assert not (tmp_path / "new").exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert os.listdir(tmp_path) == []


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"what was there, and was longer")
    with file.open("rb") as reader:  # who reads the old one goes on reading it
        replace_file(file, b"new", mode=0o600, group_of=None)
        assert reader.read() == b"what was there, and was longer"
    assert (file.read_bytes(), mode(file)) == (b"new", 0o600)
    assert os.listdir(tmp_path) == ["file"]
