"""Sites of real centrals for the tests, whose processes end with the test that asked for them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import QUICK, wait_connected
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite

MakeSite = Callable[..., LoopbackSite]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="zp-") as name:
        yield Path(name)


@pytest.fixture
def make_site(folder: Path) -> Iterator[MakeSite]:
    """Make a site whose processes end with the test. Its centrals are not started."""
    with ExitStack() as stack:

        def make(count: int, **options: Any) -> LoopbackSite:
            return stack.enter_context(LoopbackSite(folder, count, **{"more": QUICK, **options}))

        yield make


@pytest.fixture
def make_central(folder: Path) -> Iterator[Callable[..., LoopbackCentral]]:
    """Make a central, not started, whose process ends with the test."""
    made: list[LoopbackCentral] = []

    def make(id: str = "central-1", **options: Any) -> LoopbackCentral:
        made.append(
            LoopbackCentral(folder / f"at-{len(made)}-{id}", id, **{"more": QUICK, **options})
        )
        return made[-1]

    yield make
    for central in made:
        if central.process is not None:
            central.kill()


@pytest.fixture(scope="module")
def three() -> Iterator[LoopbackSite]:
    """Three centrals that run and are connected, for all tests of one file."""
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 3, more=QUICK) as site,
    ):
        site.start()
        wait_connected(*site.centrals)
        yield site
