"""A real Chromium without a window, driven over its own DevTools pipe.

No package is needed for that: messages are JSON, each ended by a zero byte, on two pipes. What
a page says on its console, throws, and asks of the network is kept, for the tests to look at.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from signal import SIGKILL
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 15.0
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS = (
    *("--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-default-browser-check"),
    *(
        "--disable-default-apps",
        "--disable-extensions",
        "--hide-scrollbars",
        "--lang=vi",
        "--accept-lang=vi",
    ),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe", "--no-pings"),
)
# The browser speaks on 3 and 4, not on the two pipes that a child is given anyway.
_MOVED = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null'
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40}

Answer = dict[str, Any]


class BrowserFault(Exception):
    """The browser, or the script of a test in it, says no. The text says what."""


def chromium() -> str | None:
    """The program of a Chromium on this machine; None where there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Browser:
    """One running browser; ends with the block, and its profile with it."""

    def __init__(self, program: str, profile: Path) -> None:
        self._program = program
        self._profile = profile
        self._number = 0
        self._rest = b""
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Self:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        with (self._profile / "stderr.txt").open("wb") as said:
            self._process = subprocess.Popen(
                [
                    *("sh", "-c", _MOVED, "sh", self._program, *_FLAGS, *sandbox),
                    *(f"--user-data-dir={self._profile}", "about:blank"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
                env={**os.environ, "LANGUAGE": "vi"},
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._write = self._process.stdin.fileno()
        self._read = self._process.stdout.fileno()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(BrowserFault, OSError):
            self.call("Browser.close")
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, SIGKILL)  # the group that was made for it
            self._process.wait(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def page(self, width: int = 1280, height: int = 800) -> "Page":
        """A page with a storage of its own, as in another browser."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"], context)
        self._pages[attached["sessionId"]] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        return page

    def call(self, method: str, session: str | None = None, **params: object) -> Answer:
        """Have the browser do something; what it answers. Raises BrowserFault."""
        self._number += 1
        message: Answer = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self._take(until, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserFault(f"{method}: {answer['error']['message']}")
                result: Answer = answer["result"]
                return result

    def _take(self, until: float, method: str) -> Answer:
        """The next message; what a page tells of itself is noted there."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                said = (self._profile / "stderr.txt").read_text("utf-8", "replace")[-1000:]
                raise BrowserFault(f"{method}: no answer; the browser said: {said}")
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        message: Answer = json.loads(text)
        page = self._pages.get(message.get("sessionId", ""))
        if page is not None and "method" in message:
            page.told(message["method"], message["params"])
        return message


class Page:
    """One page. Its script runs in `js`; `faults` and `requests` are what it did since it began."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._loads = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method: str, **params: object) -> Answer:
        """Have the browser do something with this page."""
        return self._browser.call(method, self._session, **params)

    def told(self, method: str, params: Answer) -> None:
        """Note what the page did."""
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            said = details.get("exception", {}).get("description")
            self.faults.append(said or details["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.faults.append(" ".join(str(one.get("value")) for one in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.faults.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def go(self, url: str) -> None:
        """Open an address."""
        self.call("Page.navigate", url=url)

    def reload(self) -> None:
        """Open the same address anew, and wait until it is another page."""
        before = self._loads
        until = time.monotonic() + PATIENCE_S
        self.call("Page.reload")
        while self._loads == before:
            if time.monotonic() > until:
                raise BrowserFault(f"not loaded anew within {PATIENCE_S:g} s")
            with contextlib.suppress(BrowserFault):  # between two pages there is none to ask
                self.js("1")
            time.sleep(0.02)

    def js(self, script: str) -> Any:
        """The value of an expression in the page. Raises BrowserFault where it throws."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserFault(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, script: str, timeout_s: float = PATIENCE_S) -> Any:
        """Look until an expression is true in the page; its value."""
        until = time.monotonic() + timeout_s
        while True:
            value = self.js(f"(found => found instanceof Node || found)({script})")
            if value:
                return value
            if time.monotonic() > until:
                text = self.js("document.body.innerText")
                raise BrowserFault(f"not within {timeout_s:g} s: {script}\n{text}\n{self.faults}")
            time.sleep(0.02)

    def see(self, text: str, within: str = "body", timeout_s: float = PATIENCE_S) -> None:
        """Wait until a text can be read in the first element that fits a selector."""
        found = f"[document.querySelector({json.dumps(within)})]"
        read = "(e?.innerText ?? e?.textContent)"  # a drawing has no innerText
        shown = f"{read}?.replaceAll('\\u00a0', ' ').includes({json.dumps(text)})"
        self.wait(f"{found}.some(e => {shown})", timeout_s)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, once it is there, as a mouse does."""
        found = f"document.querySelector({json.dumps(selector)})"
        box = self.wait(  # found and measured at once: a view may be drawn anew in between
            f"(() => {{ const e = {found}; if (!e || e.disabled) return null;"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

    def press(self, key: str, shift: bool = False) -> None:
        """Press a key, and let it go."""
        code = _KEYS[key]
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **shared, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def write(self, selector: str, text: str) -> None:
        """Write into a field in place of what it held."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.focus(); e.select(); })()"
        )
        self.call("Input.insertText", text=text)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option."""
        self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f" e.value = {json.dumps(value)};"
            " e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def resize(self, width: int, height: int) -> None:
        """Make the window another size; a narrow one is a phone's."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def colours(self, scheme: str) -> None:
        """What the machine prefers: `light` or `dark`."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def picture(self, whole: bool = False) -> bytes:
        """What is seen, as PNG; `whole` with what has to be scrolled to."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])
