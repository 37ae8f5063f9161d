"""Centrals with gateways for the tests, whose processes end with the test that asked for them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import QUICK
from tests.web.gateway import Gateway
from zparkd.cli.loopback import LoopbackSite

MakeSite = Callable[..., LoopbackSite]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """The gateway of one central that stands alone, for all tests of one file."""
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 1, more=QUICK) as site,
    ):
        site.start()
        with Gateway(site.centrals[0]) as made:
            yield made


@pytest.fixture
def make_site() -> Iterator[MakeSite]:
    """Make a site whose processes end with the test. Its centrals are not started."""
    with ExitStack() as stack:

        def make(count: int, **options: Any) -> LoopbackSite:
            # Not tmp_path: a socket's path has at most 107 bytes.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zp-")))
            return stack.enter_context(LoopbackSite(folder, count, **{"more": QUICK, **options}))

        yield make
