"""A site of real centrals on this machine: for the demo, the tests and the benchmarks.

Each central is a process of its own with its own files, on ports that were free a moment ago.
It is started, killed and asked like any other; nothing in here knows how it works inside.
"""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Any, Self

import orjson
import zmq

from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.client.edge import EdgeClient
from zparkd.config.load import SecurityMode

SITE = "lot-a"
_PATIENCE_S = 10.0  # this machine may do other work, and starve a process for seconds
_START_S = 60.0
_ATTEMPTS = 5  # of two seconds each
_PORTS = (12_000, 32_000)
_MOST_HELD = 200  # sockets of ports given out; those of older sites are let go
_held: list[socket.socket] = []
# What the centrals of a healed site may differ in.
LOCAL_COLUMNS = ("id", "sync_status")


class NeverHappened(Exception):
    """A condition did not come true in time. The text says which."""


def wait_for(what: str, condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Look until `condition` is true. Raises NeverHappened after `timeout_s` seconds."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise NeverHappened(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.02)


class LoopbackCentral:
    """One central: its folder, its ports, and its process while it runs."""

    def __init__(
        self,
        folder: Path,
        id: str,
        site: str = SITE,
        more: str = "",
        mode: SecurityMode = SecurityMode.PLAIN,
    ) -> None:
        """Write its files; `more` is TOML to add to the main one."""
        self.id = id
        self.folder = folder
        self.config = folder / "zparkd.toml"
        self.log = folder / "log.txt"
        self.ports = free_ports(3)
        self.process: subprocess.Popen[bytes] | None = None
        self.code = Path(__file__).parents[2]  # the folder of the package that it runs
        self.address = "127.0.0.1"
        self.runs_in: tuple[str, ...] = ()  # a command that runs its process somewhere else
        (folder / "peers.d").mkdir(parents=True)
        (folder / "edges.d").mkdir()
        self.public_key: str | None = None
        secret = ""
        if mode is SecurityMode.CURVE:
            self.public_key = new_key(folder / "central.key")
            secret = 'secret_key_file = "central.key"\n'
        self.config.write_text(
            f'[central]\nid = "{id}"\nsite = "{site}"\n\n'
            f"[listen]\nbus_port = {self.ports[0]}\nsync_port = {self.ports[1]}\n"
            f'edge_port = {self.ports[2]}\ncontrol = "control.sock"\n\n'
            '[storage]\npath = "zparkd.db"\n\n'
            f'[security]\nmode = "{mode}"\n{secret}{more}'
        )

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.folder / "zparkd.db"

    @property
    def endpoint(self) -> str:
        """Where its cameras connect to."""
        return f"tcp://{self.address}:{self.ports[2]}"

    def knows(self, other: "LoopbackCentral") -> None:
        """Write the peer file of another central."""
        self.peer_file(other.id).write_text(
            f'id = "{other.id}"\naddress = "{other.address}"\n'
            f"bus_port = {other.ports[0]}\nsync_port = {other.ports[1]}\n"
            + (f'public_key = "{other.public_key}"\n' if other.public_key is not None else "")
        )

    def peer_file(self, peer_id: str) -> Path:
        """Where a peer is written down."""
        return self.folder / "peers.d" / f"{peer_id}.toml"

    def edge_file(self, edge_id: str) -> Path:
        """Where an edge is written down."""
        return self.folder / "edges.d" / f"{edge_id}.toml"

    def key_of(self, edge_id: str) -> Path:
        """Where the secret key of one of its cameras is."""
        return self.folder / f"{edge_id}.key"

    def admits(self, *edge_ids: str) -> None:
        """Make a key for each of these cameras, and write it down."""
        for edge_id in edge_ids:
            public_key = new_key(self.key_of(edge_id))
            self.edge_file(edge_id).write_text(f'id = "{edge_id}"\npublic_key = "{public_key}"\n')

    def start(self) -> None:
        """Start its process, and wait until it answers `status`."""
        self.launch()
        wait_for(f"{self.id} answers", self.answers, _START_S)

    def launch(self) -> None:
        """Start its process; do not wait for anything."""
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.runs_in,
                    *(sys.executable, "-P", "-m", "zparkd.daemon.main", "-c", str(self.config)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(self.code)},
            )

    def answers(self) -> bool:
        """Whether its process answers `status` now. Raises NeverHappened where it has ended."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise NeverHappened(f"{self.id} exited: {self.log.read_text()[-2000:]}")
        try:  # what is asked of a socket that is just being bound may get no answer
            with ControlClient(self.folder / "control.sock", timeout_s=1.0) as daemon:
                return bool(daemon.call("status")["running"])
        except DaemonUnreachable:
            return False

    def stop(self) -> int:
        """Stop it cleanly; its exit code."""
        return self._end(SIGTERM)

    def kill(self) -> None:
        """Take its power away."""
        self._end(SIGKILL)

    def signal(self, number: Signals) -> None:
        """Send its process a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def _end(self, number: Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.process = None
        return code

    def status(self) -> dict[str, Any]:
        """What `zparkctl status --json` is told."""
        with ControlClient(self.folder / "control.sock", _PATIENCE_S) as daemon:
            return daemon.call("status")

    def history(self) -> list[dict[str, Any]]:
        """What `zparkctl history --json` prints of all stays, but for what may differ."""
        rows: list[dict[str, Any]] = orjson.loads(
            zparkctl(self.config, "history", "--json", "--limit", "0")
        )
        shared = [{k: v for k, v in row.items() if k not in LOCAL_COLUMNS} for row in rows]
        return sorted(shared, key=lambda row: str(row["event_id"]))

    def edge(self, edge_id: str, **options: Any) -> EdgeClient:
        """A camera of this central; where it uses keys, one that it `admits`.

        It waits as long as a busy machine may take, and repeats itself as any camera does.
        """
        options.setdefault("attempts", _ATTEMPTS)
        if self.public_key is not None:
            options.setdefault("secret_key_file", self.key_of(edge_id))
            options.setdefault("public_keys", [self.public_key])
        return EdgeClient(edge_id, [self.endpoint], **options)


class LoopbackSite:
    """Some centrals that know each other; their processes end with this object."""

    def __init__(
        self,
        folder: Path,
        count: int,
        links: Iterable[tuple[int, int]] | None = None,
        more: str = "",
        mode: SecurityMode = SecurityMode.PLAIN,
    ) -> None:
        """Write the files of all.

        `links` says who knows whom, as pairs of numbers from 0, both ways; None for all. `more`
        is TOML to add to each main file.
        """
        self.centrals = [
            LoopbackCentral(folder / f"central-{i}", f"central-{i}", more=more, mode=mode)
            for i in range(1, count + 1)
        ]
        if links is None:
            links = [(i, j) for i in range(count) for j in range(i)]
        for i, j in links:
            self.centrals[i].knows(self.centrals[j])
            self.centrals[j].knows(self.centrals[i])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for central in self.centrals:
            if central.process is not None:
                central.kill()

    def start(self) -> None:
        """Start all that are not running, and wait until each answers."""
        for central in self.centrals:
            if central.process is None:
                central.launch()
        for central in self.centrals:
            wait_for(f"{central.id} answers", central.answers, _START_S)

    def wait_connected(self, timeout_s: float = 20.0) -> None:
        """Wait until each central hears each of its peers, and is heard by it."""

        def connected() -> bool:
            states = [central.status() for central in self.running()]
            return all(state["connected_peers"] == state["total_peers"] for state in states)

        wait_for("all centrals are connected", connected, timeout_s)

    def wait_equal(self, timeout_s: float = 20.0) -> None:
        """Wait until all running centrals hold the same events, and each knows it of the others."""
        running = {central.id for central in self.running()}

        def equal() -> bool:
            states = [central.status() for central in self.running()]
            peers = [peer for state in states for peer in state["peers"]]
            return len({state["events"] for state in states}) == 1 and all(
                peer["behind"] == 0 and peer["lag"] == 0
                for peer in peers
                if peer["peer_id"] in running
            )

        wait_for("all centrals hold the same events", equal, timeout_s)

    def running(self) -> list[LoopbackCentral]:
        """The centrals whose processes were started."""
        return [central for central in self.centrals if central.process is not None]


def new_key(file: Path) -> str:
    """Make a secret key; its public key."""
    public, secret = zmq.curve_keypair()
    file.touch(mode=0o600)
    file.write_bytes(secret + b"\n")
    return public.decode()


def zparkctl(config: Path, *arguments: str) -> bytes:
    """What zparkctl prints for these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "zparkd.cli.main", "-c", str(config), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ).stdout


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, from below those that connections leave from.

    A UDP socket on the same number keeps each for this process, so that another site that is
    being set up on this machine does not take it meanwhile.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(*_PORTS)
        held = socket.socket(type=socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            held.close()
            continue
        _held.append(held)
        ports.append(port)
    while len(_held) > _MOST_HELD:
        _held.pop(0).close()
    return ports
