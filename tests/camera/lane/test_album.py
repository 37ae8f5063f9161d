"""Pictures by reference: kept, found, bounded, and nobody's way to other files."""

import os
import time
from pathlib import Path

import pytest

from tests.camera.formats import JPEG, Shot, hikvision_pictures
from tests.camera.rig import Bridge, now_ms
from zparkd.camera.lane.album import Album
from zparkd.camera.read import Picture
from zparkd.testbed.loopback import LoopbackSite, wait_for

NAME = "0123456789abcdef0123456789abcdef"
AT_MS = 1_795_231_805_000
PICTURES = (Picture("a.jpg", JPEG), Picture("b.png", b"\x89PNG\r\n\x1a\nours"))


def test_pictures_are_found_by_the_reference_of_the_first(tmp_path: Path) -> None:
    album = Album(tmp_path, 1, 1)
    reference = album.reference("in-1", NAME, PICTURES, AT_MS)
    assert reference == f"in-1/2026-11-21/{NAME}.jpg"
    album.keep(reference, PICTURES)
    first = album.find(reference)
    second = album.find(reference.replace(".jpg", "-2.png"))
    assert first is not None
    assert second is not None
    assert first.read_bytes() == JPEG


def test_without_a_picture_there_is_no_reference(tmp_path: Path) -> None:
    album = Album(tmp_path, 1, 1)
    assert album.reference("in-1", NAME, (), AT_MS) is None
    album.keep(None, ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "/etc/passwd",
        f"../in-1/2026-11-21/{NAME}.jpg",
        f"in-1/../2026-11-21/{NAME}.jpg",
        f"in-1/2026-11-21/{NAME}.toml",
        f"in-1/2026-11-21/{NAME}-9.jpg",
        f"in-1/2026-11-21/{NAME}.jpg\n",
    ],
)
def test_what_is_no_reference_finds_nothing(tmp_path: Path, reference: str) -> None:
    assert Album(tmp_path, 1, 1).find(reference) is None


def test_the_oldest_go_where_there_are_too_many_bytes_or_days(tmp_path: Path) -> None:
    album = Album(tmp_path, 1, 2)
    folder = tmp_path / "in-1" / "2026-11-21"
    folder.mkdir(parents=True)
    sizes = {"old": 10, "early": 700_000, "late": 700_000, "new": 10}
    ages_s = {"old": 3 * 86_400, "early": 300, "late": 200, "new": 100}
    for name, size in sizes.items():
        file = folder / name
        file.write_bytes(bytes(size))
        at = time.time() - ages_s[name]
        os.utime(file, (at, at))
    album.tidy()
    assert sorted(path.name for path in folder.iterdir()) == ["late", "new"]
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    album.tidy()
    assert not folder.exists()


def test_a_folder_that_can_t_be_written_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    album = Album(tmp_path / "file", 1, 1)
    reference = album.reference("in-1", NAME, PICTURES, AT_MS)
    assert reference is not None
    album.keep(reference, PICTURES)
    assert album.find(reference) is None


def test_a_picture_that_came_with_a_read_is_named_in_its_event_and_shown_here(
    site: LoopbackSite, bridge: Bridge
) -> None:
    bridge.lane("in-1", [site.centrals[0].endpoint], direction="ENTRY")
    bridge.start()
    sent = hikvision_pictures(Shot("29A12345", now_ms(), 0.97, 1))
    assert bridge.send("in-1", sent.body, sent.content_type)[0] == 200
    bridge.wait("in-1", "opened")
    wait_for("it is kept", lambda: list((bridge.folder / "pictures").rglob("*.jpg")))
    [file] = (bridge.folder / "pictures").rglob("*.jpg")
    reference = file.relative_to(bridge.folder / "pictures").as_posix()
    status, data = bridge.send(f"-/pictures/{reference}", b"", method="GET")
    assert (status, data) == (200, JPEG)
    assert bridge.send("-/pictures/../outbox.db", b"", method="GET")[0] == 404
    raw = (site.centrals[0].folder / "zparkd.db-wal").read_bytes()
    assert reference.encode() in raw
    assert JPEG[:20] not in raw
