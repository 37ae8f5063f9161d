"""Real centrals, a real zparkd-camera and a real relay, whose processes end with the test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.camera.relay import Relay
from tests.camera.rig import Bridge
from tests.support.harness import QUICK
from zparkd.testbed.loopback import LoopbackSite


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="zp-") as name:
        yield Path(name)


@pytest.fixture
def site(folder: Path) -> Iterator[LoopbackSite]:
    """Two centrals that run."""
    with LoopbackSite(folder / "site", 2, more=QUICK) as made:
        made.start()
        made.wait_connected()
        yield made


@pytest.fixture
def bridge(folder: Path) -> Iterator[Bridge]:
    """A zparkd-camera without lanes, not started."""
    made = Bridge(folder / "camera")
    yield made
    if made.process is not None:
        made.kill()


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A barrier."""
    made = Relay()
    yield made
    made.close()
