"""A watch whose loop is turned by the test: for all tests of `zparkd.daemon.watch`, nobody else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zparkd.daemon.watch import Watch
from zparkd.testbed.loopback import wait_for

DEADLINE_S = 10.0  # of a slow machine; what is promised is 2 s
NEVER_MS = 10**9
MAIN = '[central]\nid = "central-1"\n'


def mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Turning:
    """A watch whose loop is turned by the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.main = folder / "zparkd.toml"
        self.peers = folder / "peers.d"
        self.watch = Watch(self.main)
        self.changes = 0

    def begin(self) -> None:
        """Start it, and turn until all that happened before is behind it."""
        self.watch.start()
        self.settle()
        self.changes = 0

    def turn(self, refused: bool = False) -> bool:
        changed = self.watch.changed(mono_ms(), refused)
        if changed:
            self.watch.loading()
            self.changes += 1
        return changed

    def wait(self, what: str, refused: bool = False) -> None:
        """Turn until a change is noticed."""
        wait_for(what, lambda: self.turn(refused), DEADLINE_S)

    def settle(self) -> None:
        """Make a change of which we know, and turn until it is noticed and all before it is."""
        (self.folder / "edges.d").mkdir(exist_ok=True)
        known = self.folder / "edges.d" / "settled.toml"
        known.write_text(f'id = "{time.monotonic_ns()}"\n')
        self.wait("the known change")

    def missed(self) -> bool:
        """Whether the files are others than when the last change was noticed."""
        return Watch(self.main).digest != self.watch.digest


@contextmanager
def turning_in(folder: Path) -> Iterator[Turning]:
    """A main file, a peer and a place for edges, with a watch that is not started."""
    for name in ("peers.d", "edges.d"):
        (folder / name).mkdir(parents=True)
    (folder / "zparkd.toml").write_text(MAIN)
    (folder / "peers.d" / "old.toml").write_text('id = "old"\n')
    turning = Turning(folder)
    yield turning
    turning.watch.stop()
