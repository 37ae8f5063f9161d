"""Pages of gateways in a browser, and what must hold of each of them: for tests of the page."""

import json
from contextlib import ExitStack

from tests.support.browser import Browser, Page
from tests.support.gateway import Gateway
from zparkd.testbed.loopback import LoopbackCentral


class Open:
    """Opens pages of gateways, and looks at the end at what they did."""

    def __init__(self, browser: Browser, stack: ExitStack) -> None:
        self._browser = browser
        self._stack = stack
        self._opened: list[tuple[Page, Gateway]] = []
        self.cuts_are_expected = False  # the browser itself tells its console of a refused call

    def __call__(self, gateway: Gateway, view: str = "now", wait: bool = True, **size: int) -> Page:
        """Open a view; `wait` until it is live, which it is not before a login."""
        page = self._stack.enter_context(self._browser.page(**size))
        self._opened.append((page, gateway))
        page.go(f"{gateway.url}/#/{view}")
        if wait:
            page.see("Trực tiếp", ".live")
        return page

    def serve(self, central: LoopbackCentral, *options: str) -> Gateway:
        """A gateway that runs until its pages have been looked at."""
        return self._stack.enter_context(Gateway(central, *options))

    def look(self) -> None:
        for page, gateway in self._opened:
            page.js("1")  # takes in what the browser has told meanwhile
            faults = page.faults
            if self.cuts_are_expected:
                faults = [fault for fault in faults if "Failed to load" not in fault]
            assert faults == []
            strangers = [r for r in page.requests if not r.startswith((gateway.url, "data:"))]
            assert strangers == []


def texts(page: Page, selector: str) -> list[str]:
    """What can be read in all elements that fit a selector."""
    found: list[str] = page.js(
        f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)"
    )
    return found
