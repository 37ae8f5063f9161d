"""Centrals with gateways for the tests, whose processes end with the test that asked for them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Browser, BrowserFault, chromium
from tests.support.gateway import Gateway
from tests.support.harness import QUICK, wait_connected
from tests.support.pages import Open
from zparkd.testbed.loopback import LoopbackSite

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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests that need one; they are skipped where there is none."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with ExitStack() as stack:
        profile = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="zp-profile-", ignore_cleanup_errors=True)
        )
        running = stack.enter_context(Browser(program, Path(profile)))
        try:
            running.call("Browser.getVersion")
        except (BrowserFault, OSError) as fault:
            pytest.skip(f"{program} does not run here: {fault}")
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens pages of gateways; at the end it is looked at what they did."""
    with ExitStack() as stack:
        opened = Open(browser, stack)
        yield opened
        opened.look()


@pytest.fixture(scope="session")
def pair() -> Iterator[tuple[Gateway, Gateway]]:
    """Two connected centrals with their gateways, for those tests of the page that stop neither."""
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 2, more=QUICK) as site,
    ):
        site.start()
        wait_connected(*site.centrals)
        with Gateway(site.centrals[0]) as one, Gateway(site.centrals[1]) as other:
            yield one, other
