"""Pictures of a vehicle: those that the cameras' process of this machine keeps, no others."""

import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.camera import formats
from tests.camera.rig import Bridge
from tests.support.gateway import Gateway
from tests.support.pages import Open
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import LoopbackCentral, wait_for

PATIENCE_S = 30.0


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 4, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 8) * 4))
    + chunk(b"IEND", b"")
)


@pytest.fixture
def central(make_site: MakeSite) -> LoopbackCentral:
    site = make_site(1)
    site.start()
    return site.centrals[0]


@pytest.fixture
def bridge(tmp_path: Path, central: LoopbackCentral) -> Iterator[Bridge]:
    """A zparkd-camera that the gateway finds by the file beside the central's."""
    made = Bridge(tmp_path / "camera")
    made.lane("in-1", [central.endpoint], direction="ENTRY")
    (central.folder / "camera.toml").write_text(made.config.read_text())
    made.start()
    yield made
    if made.process is not None:
        made.kill()


@pytest.fixture
def let_in(bridge: Bridge, central: LoopbackCentral, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vehicle came in, and its camera sent a picture."""
    monkeypatch.setattr(formats, "JPEG", PNG)
    shot = formats.Shot("29A12345", time.time_ns() // 1_000_000, 0.97, number=1)
    sent = formats.hikvision_pictures(shot)
    assert bridge.send("in-1", sent.body, sent.content_type)[0] == 200
    wait_for("it is inside", lambda: central.status()["vehicles_inside"] == 1, PATIENCE_S)
    folder = bridge.folder / "pictures"
    wait_for("its picture is kept", lambda: list(folder.glob("*/*/*.png")), PATIENCE_S)


@pytest.mark.usefixtures("let_in")
def test_a_picture_is_had_by_the_reference_in_the_story(
    bridge: Bridge, central: LoopbackCentral
) -> None:
    with Gateway(central) as gateway:
        [event] = gateway.get("/api/parking/vehicles/29A12345").json()["events"]
        answer = gateway.get(f"/api/pictures/{event['image']}")
        assert (answer.status_code, answer.content) == (200, PNG)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["cache-control"].startswith("private")
        for other in (
            event["image"].replace(".png", ".jpg"),
            f"{event['image']}/..",
            "../status",
            "%2e%2e/%2e%2e/-/status",
            "in-1/2026-01-01/x.png",
        ):
            assert gateway.get(f"/api/pictures/{other}").status_code == 404, other
        bridge.stop()
        assert gateway.get(f"/api/pictures/{event['image']}").status_code == 404
        assert gateway.get("/api/parking/vehicles/29A12345").status_code == 200


def test_whatever_else_a_camera_calls_its_image_is_none_of_ours(
    central: LoopbackCentral,
) -> None:
    with central.edge("in-2") as camera, Gateway(central) as gateway:
        camera.open_barrier("30F00001", direction="ENTRY", image="https://elsewhere/x.jpg")
        [event] = gateway.get("/api/parking/vehicles/30F00001").json()["events"]
        assert event["image"] is None


@pytest.mark.usefixtures("let_in")
def test_the_page_shows_the_picture_in_the_story(
    bridge: Bridge, central: LoopbackCentral, open_page: Open
) -> None:
    page = open_page(open_page.serve(central), "vehicles/29A12345")
    size = page.wait(
        "(() => { const it = document.querySelector('.story img');"
        " return it && it.complete && it.naturalWidth; })()"
    )
    assert size == 8
    bridge.stop()
    open_page.cuts_are_expected = True  # the browser tells of a picture that it can't have
    page = open_page(open_page.serve(central), "vehicles/29A12345")
    page.see("29A12345")
    assert page.wait("document.querySelector('.story li') && !document.querySelector('.story img')")
