"""A gateway that runs, and asking it: for all tests of `zparkd.web`, nobody else.

Whatever it answers here, in any test, must be as its own `/openapi.json` says.
"""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from click.testing import CliRunner, Result

from tests.support.schema import differences
from zparkd.testbed.loopback import LoopbackCentral, wait_for
from zparkd.web.main import main

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


@functools.cache
def _document(url: str) -> Any:
    return httpx.get(f"{url}/openapi.json", timeout=PATIENCE_S, trust_env=False).json()


def compared(
    answer: httpx.Response, document: Any, look: Callable[[Any, Any, Any], Iterator[str]]
) -> list[str]:
    """What a look at an answer beside its schema finds; nothing of a path that has none."""
    for path, methods in document["paths"].items():
        operation = methods.get(answer.request.method.lower())
        form = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
        if operation is None or not re.fullmatch(form, answer.request.url.path):
            continue
        said = operation["responses"].get(str(answer.status_code))
        if said is None:
            return [f"{answer.status_code} of {path} is not in the document"]
        if "$ref" in said:
            said = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
        media = answer.headers["content-type"].partition(";")[0]
        schema = said["content"].get(media, {}).get("schema", {})
        return [*look(answer.json(), schema, document)]
    return []


def zparkd_web(
    central: LoopbackCentral, *arguments: str, said: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run zparkd-web to its end; `said` is what it reads."""
    return subprocess.run(
        [sys.executable, "-m", "zparkd.web.command", "-c", str(central.config), *arguments],
        input=said,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def account(central: LoopbackCentral, *arguments: str, said: str = "") -> Result:
    """Run `zparkd-web user` or `token` in this process; `said` is what it reads."""
    return CliRunner().invoke(main, ["-c", str(central.config), *map(str, arguments)], input=said)


class Gateway:
    """`zparkd-web` as a process, for one central; `http` asks it."""

    def __init__(self, central: LoopbackCentral, *options: str) -> None:
        self.central = central
        self.log = central.folder / "web.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "zparkd.web.command", "-c", str(central.config)),
                    *("--port", "0", *options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        wait_for(f"the gateway of {central.id} listens", self._address, PATIENCE_S)
        self.url = self._address().replace("//0.0.0.0:", "//127.0.0.1:")
        self.http = httpx.Client(
            base_url=self.url,
            timeout=PATIENCE_S,
            trust_env=False,
            event_hooks={"response": [self._check]},
        )

    def _address(self) -> str:
        said = self.log.read_text()
        assert self.process.poll() is None, said
        found = re.search(r"https?://\S+:\d+", said)
        return found[0] if found else ""

    def _check(self, answer: httpx.Response) -> None:
        """See that an answer in JSON is what the document says."""
        if not answer.headers.get("content-type", "").endswith("json"):
            return
        answer.read()
        wrong = compared(answer, _document(self.url), differences)
        assert not wrong, wrong

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query)

    def close(self) -> int:
        self.http.close()
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.close()
