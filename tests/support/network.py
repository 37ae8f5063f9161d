"""A network of its own for a site: each central on a machine of its own, links cut and mended.

Network namespaces of Linux, so root is needed; where they can't be made the test is skipped, and
says why. All centrals hang on one of two switches, and a trunk joins the switches:

    central-1 ─┐                      ┌─ central-2
    central-3 ─┴─ left ══ trunk ══ right ─┴─ central-4
"""

import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite

_NEW_NET = 0x40000000  # CLONE_NEWNET of sched.h
_libc = ctypes.CDLL(None, use_errno=True)


class NoNetworks(Exception):
    """Namespaces can't be made here. The text says why."""


def _ip(*arguments: str) -> None:
    if shutil.which("ip") is None:
        raise NoNetworks("iproute2 is not installed")
    done = subprocess.run(
        ["ip", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoNetworks(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Network:
    """Two switches and the machines at them, from `with` to its end."""

    def __init__(self, left: int, right: int) -> None:
        """So many machines at each switch; they are numbered from 1, the left ones first."""
        self._name = f"zp{uuid.uuid4().hex[:6]}"
        self._left, self._count = left, left + right

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _make(self) -> None:
        switch = self._name
        _ip("netns", "add", switch)
        for side in ("left", "right"):
            _ip("-n", switch, "link", "add", side, "type", "bridge")
            _ip("-n", switch, "link", "set", side, "up")
        _ip("-n", switch, "link", "add", "trunk", "type", "veth", "peer", "name", "knurt")
        for link, side in (("trunk", "left"), ("knurt", "right")):
            _ip("-n", switch, "link", "set", link, "master", side, "up")
        for number in range(1, self._count + 1):
            machine = self.machine(number)
            _ip("netns", "add", machine)
            _ip("-n", machine, "link", "set", "lo", "up")
            end = ("peer", "name", f"m{number}", "netns", switch)
            _ip("-n", machine, "link", "add", "net", "type", "veth", *end)
            _ip("-n", machine, "address", "add", f"{self.address(number)}/24", "dev", "net")
            _ip("-n", machine, "link", "set", "net", "up")
            side = "left" if number <= self._left else "right"
            _ip("-n", switch, "link", "set", f"m{number}", "master", side, "up")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in (self._name, *map(self.machine, range(1, self._count + 1))):
            with suppress(NoNetworks):
                _ip("netns", "delete", name)

    def machine(self, number: int) -> str:
        """The name of the namespace of a machine."""
        return f"{self._name}-{number}"

    @staticmethod
    def address(number: int) -> str:
        """The address of a machine."""
        return f"10.77.0.{number}"

    def on(self, number: int) -> Callable[[], None]:
        """What moves the thread that calls it to a machine, with all sockets it makes from then."""
        path = Path("/run/netns", self.machine(number))

        def enter() -> None:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if _libc.setns(descriptor, _NEW_NET):
                    raise OSError(ctypes.get_errno(), f"setns {path}")
            finally:
                os.close(descriptor)

        return enter

    def cut(self) -> None:
        """Take the trunk away: nothing passes between the two sides, and nobody is told."""
        _ip("-n", self._name, "link", "set", "trunk", "down")

    def mend(self) -> None:
        """Put the trunk back."""
        _ip("-n", self._name, "link", "set", "trunk", "up")

    def cut_one_way(self, source: int, target: int) -> None:
        """Nothing that one machine sends to another arrives; the other way is open."""
        _ip("-n", self.machine(source), "route", "add", "blackhole", self.address(target))

    def mend_one_way(self, source: int, target: int) -> None:
        """Let it pass again."""
        _ip("-n", self.machine(source), "route", "delete", "blackhole", self.address(target))


@contextmanager
def networked(
    folder: Path, left: int, right: int, more: str
) -> Iterator[tuple[LoopbackSite, Network]]:
    """A site whose centrals run on machines of their own, not started; the test is skipped else."""
    network = Network(left, right)
    try:
        network.__enter__()
    except NoNetworks as why:
        pytest.skip(str(why))
    try:
        with LoopbackSite(folder, left + right, links=[], more=more) as site:
            for number, central in enumerate(site.centrals, 1):
                central.address = network.address(number)
                central.runs_in = ("ip", "netns", "exec", network.machine(number))
                listens_at(central)
            for central in site.centrals:
                for other in site.centrals:
                    if other is not central:
                        central.knows(other)
            yield site, network
    finally:
        network.__exit__(None, None, None)


def listens_at(central: LoopbackCentral) -> None:
    """Have it listen at the address of its machine, unguarded."""
    text = central.config.read_text()
    text = text.replace("[listen]\n", f'[listen]\naddress = "{central.address}"\n')
    text = text.replace('mode = "plain"\n', 'mode = "plain"\nallow_insecure = true\n')
    central.config.write_text(text)
