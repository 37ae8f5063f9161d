"""The README's commands, typed as they stand in a checkout, print what stands there.

The centrals of the README run on ports of their own here; beyond that only figures may differ:
times, ids, counts of milliseconds. What can't be run says why in SKIPPED.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest

from tests.support.harness import PATIENCE_S, ROOT
from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.testbed.loopback import LoopbackSite, free_ports, wait_for

README = (ROOT / "README.md").read_text("utf-8")

# What is not run, and why. Each is the beginning of a command.
SKIPPED = {
    "bin/test": "is what runs this",
    "python3 -m venv /opt": "installs from the package index, as root",
    "/opt/zparkd/bin/zparkctl setup": "makes a user and writes to /etc; see test_setup_command.py",
    "systemctl": "needs a running systemd",
}


class Typed(NamedTuple):
    """A command, and what the README says that it prints."""

    command: str
    printed: str

    @property
    def skipped(self) -> bool:
        return self.command.startswith(tuple(SKIPPED))


def sessions() -> Iterator[Typed]:
    """What is typed in the README. What bin/demo prints looks like commands, and is none."""
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.M | re.S):
        if block.startswith("$ bin/demo\n"):
            yield Typed("bin/demo", block.partition("\n")[2])
            continue
        for typed in re.split(r"^(?=[$#] )", block, flags=re.M)[1:]:
            command, _, printed = typed[2:].partition("\n")
            yield Typed(command, printed)


TYPED = list(sessions())


def shape(printed: str) -> list[str]:
    """What must be the same whenever it is printed."""
    text = re.sub(r"\b[0-9a-f]{32}\b", "N", printed)
    text = re.sub(r"\bzparkd \d[\w.]*", "zparkd N", text)  # a release, or what comes after one
    text = re.sub(r"[-+]?\d[\d,.:-]*", "N", text)
    return [" ".join(line.split()) for line in text.splitlines()]


class Checkout:
    """A folder like a checkout: its programs, and its two centrals on ports that are free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []
        (folder / "bin").symlink_to(ROOT / "bin")
        shutil.copytree(ROOT / "etc", folder / "etc")
        self.configs = sorted((folder / "etc/two-centrals").glob("*/zparkd.toml"))
        ports = {str(port): free_ports_in_a_row() for port in (9000, 9100)}
        for file in (folder / "etc/two-centrals").rglob("*.toml"):
            text = file.read_text().replace("/tmp/zparkd-try", str(folder))
            file.write_text(re.sub("9[01]00", lambda port: str(ports[port[0]]), text))

    def type(self, command: str) -> str:
        """Type a command; what it prints. With `&` it goes on, until it answers `status`."""
        shell = ["bash", "-euo", "pipefail", "-c"]
        if command.endswith("&"):
            command = f"exec {command.removesuffix('&')}"
            with (self.folder / "log.txt").open("ab") as log:
                self.running.append(
                    subprocess.Popen([*shell, command], cwd=self.folder, stdout=log, stderr=log)
                )
            return ""
        self.wait_until_settled()
        done = subprocess.run(
            [*shell, command],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait_until_settled(self) -> None:
        """Whoever reads types slower than the centrals find each other."""

        def settled() -> bool:
            for number, _ in enumerate(self.running, 1):
                try:
                    with ControlClient(self.folder / f"central-{number}.sock") as daemon:
                        said = daemon.call("status")
                except DaemonUnreachable:
                    return False
                peers = said["peers"]
                if said["only_here"] or said["problems"]:
                    return False
                if not all(peer["connected"] and peer["behind"] == 0 for peer in peers):
                    return False
            return True

        wait_for("the two centrals hold the same", settled, PATIENCE_S)

    def end(self) -> list[int]:
        """Stop what runs; the exit codes."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        return [process.wait(PATIENCE_S) for process in self.running]


def free_ports_in_a_row() -> int:
    """The first of three ports that follow each other and are free."""
    while True:
        (first,) = free_ports(1)
        try:
            socket_pairs = [socket.create_server(("127.0.0.1", first + i)) for i in range(3)]
        except OSError:
            continue
        for one in socket_pairs:
            one.close()
        return first


def test_what_is_typed_prints_what_stands_there() -> None:
    with tempfile.TemporaryDirectory(prefix="zp-") as name:
        checkout = Checkout(Path(name))
        try:
            for typed in TYPED:
                if not typed.skipped and typed.command != "bin/demo":
                    assert shape(checkout.type(typed.command)) == shape(typed.printed), typed
        finally:
            codes = checkout.end()
        assert codes == [0] * len(codes)
        assert len(codes) >= 2, "the README starts two centrals"


@pytest.mark.slow
def test_the_demo_prints_what_stands_there() -> None:
    (typed,) = [one for one in TYPED if one.command == "bin/demo"]
    done = subprocess.run(
        [ROOT / "bin/demo"], capture_output=True, text=True, timeout=2 * PATIENCE_S, check=True
    )
    assert shape(done.stdout) == shape(typed.printed)


def test_what_is_not_run_is_in_the_readme() -> None:
    assert [one for one in SKIPPED if one not in README] == []


def test_the_camera_in_python_opens_a_barrier() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    with tempfile.TemporaryDirectory(prefix="zp-") as name, LoopbackSite(Path(name), 2) as site:
        site.start()
        site.wait_connected()
        for number, central in enumerate(site.centrals, 1):
            code = code.replace(f"tcp://192.168.1.10{number}:9002", central.endpoint)
        assert "192.168" not in code
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (stay,) = site.centrals[0].history()
        assert (stay["status"], stay["confirmed"], stay["confidence"]) == ("IN", 1, 0.97)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("uvicorn"), reason="the gateway is not installed")
def test_the_demo_can_be_kept_with_its_page_until_it_is_interrupted() -> None:
    kept = subprocess.Popen(
        [ROOT / "bin/demo", "--keep"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert kept.stdout is not None
        page = next(line for line in kept.stdout if line.startswith("the page of central-1: "))
        with urlopen(page.split(": ")[1].strip(), timeout=PATIENCE_S) as answer:
            assert b"<html" in answer.read()
        kept.send_signal(signal.SIGINT)
        assert kept.wait(PATIENCE_S) == 0
    finally:
        kept.kill()
        kept.wait()
