"""Directories of configuration files that are replaced, mounted, linked, made late, or none."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.turning import MAIN, NEVER_MS, Turning, turning_in
from zparkd.daemon import watch as module

pytestmark = pytest.mark.usefixtures("no_rescan")


@pytest.fixture
def turning(tmp_path: Path) -> Iterator[Turning]:
    with turning_in(tmp_path / "zparkd") as turning:
        yield turning


@pytest.fixture
def no_rescan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESCAN_MS", NEVER_MS)


def replace_by_rename(place: Path) -> None:
    shutil.copytree(place, place.with_name("next"))
    place.rename(place.with_name("previous"))
    place.with_name("next").rename(place)


def remove_and_make(place: Path) -> None:
    """Often the new one gets the inode of the old one."""
    files = {file.name: file.read_bytes() for file in place.iterdir() if file.is_file()}
    shutil.rmtree(place)
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)


@pytest.mark.parametrize("of", ["peers.d", "."])
@pytest.mark.parametrize("replace", [replace_by_rename, remove_and_make])
def test_a_directory_that_was_replaced_is_listened_to(
    turning: Turning,
    monkeypatch: pytest.MonkeyPatch,
    replace: Callable[[Path], None],
    of: str,
) -> None:
    turning.begin()
    place = turning.folder / of
    replace(place)
    (place / ("new.toml" if of == "peers.d" else "zparkd.toml")).write_text('id = "new"\n')
    turning.wait("what is in the new directory")
    turning.settle()
    monkeypatch.setattr(module, "STAMPS_EVERY_MS", NEVER_MS)
    turning.settle()
    (place / ("more.toml" if of == "peers.d" else "zparkd.toml")).write_text('id = "more"\n')
    turning.wait("inotify tells of the new directory")


def test_directories_may_come_late_and_go(
    turning: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(turning.peers)
    turning.begin()
    turning.peers.mkdir()
    turning.settle()
    (turning.peers / "new.toml").write_text('id = "new"\n')
    turning.wait("a file in the directory that was made")
    shutil.rmtree(turning.peers)
    turning.wait("it is gone")
    away = turning.folder.with_name("away")
    turning.folder.rename(away)
    turning.wait("all is gone")
    away.rename(turning.folder)
    turning.wait("all is back")
    monkeypatch.setattr(module, "STAMPS_EVERY_MS", NEVER_MS)
    turning.settle()
    turning.main.write_text(MAIN + "# more\n")
    turning.wait("inotify tells of it")


def mount(folder: Path, generation: int) -> None:
    """Put files in place as Kubernetes does: `..data` changes to another directory at once."""
    data = folder / f"..2025_{generation}"
    (data / "peers.d").mkdir(parents=True)
    (data / "zparkd.toml").write_text(MAIN + f"# {generation}\n")
    (data / "peers.d" / "new.toml").write_text(f'id = "new-{generation}"\n')
    before = (folder / "..data").resolve()
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if before.name.startswith("..2025"):
        shutil.rmtree(before)


def test_a_mounted_config_map_is_followed_again_and_again(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    mount(folder, 0)
    (folder / "zparkd.toml").symlink_to("..data/zparkd.toml")
    (folder / "peers.d").symlink_to("..data/peers.d")
    turning = Turning(folder)
    turning.begin()
    for generation in range(1, 4):
        mount(folder, generation)
        turning.wait(f"generation {generation}")
        turning.settle()
        assert not turning.missed()
    turning.watch.stop()


def test_a_link_to_a_file_elsewhere_is_followed(turning: Turning) -> None:
    shared = turning.folder.parent / "shared.toml"
    shared.write_text('id = "shared"\n')
    (turning.peers / "shared.toml").symlink_to(shared)
    turning.begin()
    shared.write_text('id = "other"\n')
    turning.wait("it was written to")
    shared.unlink()
    turning.wait("it leads nowhere")


def test_what_is_no_file_holds_nothing_up(turning: Turning) -> None:
    turning.begin()
    os.mkfifo(turning.peers / "fifo.toml")
    turning.wait("a FIFO")
    (turning.peers / "folder.toml").mkdir()
    turning.wait("a directory")
    (turning.peers / "loop.toml").symlink_to("loop.toml")
    turning.wait("a loop")
    shutil.rmtree(turning.peers)
    turning.peers.write_text("no directory")
    turning.wait("no directory")
    assert not turning.missed()
