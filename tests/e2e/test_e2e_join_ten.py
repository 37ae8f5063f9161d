"""A site from nothing by invitations alone: each machine is a network namespace where that may be.

Elsewhere each has an address of its own on loopback. What is typed is what the README says, so that
its commands can be counted.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import PATIENCE_S
from tests.support.network import Network, NoNetworks
from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.client.edge import EdgeClient, NoAnswer
from zparkd.testbed.loopback import wait_for

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (sys.executable, "-P", "-m")
ENV = {"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
pytestmark = pytest.mark.slow


class Machine:
    """One machine: an address, a folder, and what is typed there."""

    def __init__(self, number: int, folder: Path, network: Network | None) -> None:
        self.number = number
        self.folder = folder / f"m{number}"
        self.config = self.folder / "zparkd.toml"
        self.address = network.address(number) if network else f"127.77.0.{number}"
        self._runs_in = ("ip", "netns", "exec", network.machine(number)) if network else ()
        self.typed: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def type(self, *words: str, code: int = 0) -> str:
        """Type a zparkctl command; its output, or what it said on error where it must refuse."""
        self.typed.append(words[0])
        done = subprocess.run(
            [*self._runs_in, *PYTHON, "zparkd.cli.main", "-c", str(self.config), *words],
            capture_output=True,
            text=True,
            check=False,
            env=ENV,
            timeout=60,
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout.strip() if code == 0 else done.stderr

    def first(self) -> None:
        """What `setup` writes, for a folder of its own."""
        self.folder.mkdir()
        for name in ("peers.d", "edges.d"):
            (self.folder / name).mkdir()
        self.type("keygen", str(self.folder / "central.key"))
        self.config.write_text(
            f'[central]\nid = "central-1"\nsite = "lot-a"\n\n[listen]\naddress = "{self.address}"\n'
            'control = "control.sock"\n\n[storage]\npath = "zparkd.db"\n\n'
            '[security]\nsecret_key_file = "central.key"\n'
        )

    def start(self) -> None:
        self.typed.append("zparkd")
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._runs_in, *PYTHON, "zparkd.daemon.main", "-c", str(self.config)],
                stdout=log,
                stderr=log,
                env=ENV,
            )
        wait_for(f"machine {self.number} runs", self.status, PATIENCE_S)

    def status(self) -> dict[str, Any] | None:
        try:
            with ControlClient(self.folder / "control.sock") as daemon:
                return daemon.call("status")
        except DaemonUnreachable:
            return None

    def is_connected_to(self, count: int) -> bool:
        status = self.status()
        return status is not None and (
            (status["total_peers"], status["connected_peers"]) == (count, count)
        )

    def problems(self) -> set[str]:
        status = self.status()
        return {one["code"] for one in status["problems"]} if status else set()

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)


class Site:
    def __init__(self, folder: Path, network: Network | None, count: int) -> None:
        self.network = network
        self.machines = [Machine(number, folder, network) for number in range(1, count + 1)]

    def on(self, machine: Machine, work: Any) -> Any:
        """What `work` returns, run in a thread that is on a machine."""
        enter = self.network.on(machine.number) if self.network else None
        with ThreadPoolExecutor(1, initializer=enter) as pool:
            return pool.submit(work).result(60)


def made(folder: Path, left: int, right: int) -> Iterator[Site]:
    with ExitStack() as stack:
        network: Network | None = None
        try:
            network = stack.enter_context(Network(left, right))
        except NoNetworks:
            network = None
        site = Site(folder, network, left + right)
        for machine in site.machines:
            stack.callback(machine.end)
        yield site


@pytest.fixture
def ten(folder: Path) -> Iterator[Site]:
    yield from made(folder, 11, 0)


@pytest.fixture
def sides(folder: Path) -> Iterator[Site]:
    yield from made(folder, 2, 2)


def test_ten_centrals_and_ten_cameras_join_with_one_invitation_each(
    ten: Site, folder: Path
) -> None:
    *centrals, cameras = ten.machines
    first = centrals[0]
    first.first()
    first.start()
    for number, machine in enumerate(centrals[1:], 2):
        machine.type("join", first.type("invite", f"central-{number}"))
        machine.start()
    for machine in centrals:
        wait_for(f"{machine.address} has nine", lambda m=machine: m.is_connected_to(9), PATIENCE_S)
    # Two commands a machine, and its start; on the first, its own and the start.
    assert [len(machine.typed) for machine in centrals] == [2 + 9, *[2] * 9]

    for number in range(1, 11):
        token = centrals[number - 1].type("invite", "--edge", f"gate-{number}")

        def used(token: str = token, number: int = number) -> Any:
            with EdgeClient.join(token, folder / f"gate-{number}.json") as camera:
                return camera.open_barrier(f"29A{number:05d}", direction="ENTRY")

        assert ten.on(cameras, used)["success"] is True
    for machine in centrals:
        edges = machine.folder / "edges.d"
        wait_for("knows all cameras", lambda e=edges: len(list(e.iterdir())) == 10, PATIENCE_S)
    centrals[4].end()

    def elsewhere() -> Any:
        with EdgeClient.join("", folder / "gate-5.json", timeout_s=5, attempts=1) as camera:
            return camera.open_barrier("29A99999", direction="ENTRY")

    assert ten.on(cameras, elsewhere)["success"] is True


def test_of_two_that_joined_under_one_id_on_both_sides_of_a_cut_one_stays(
    sides: Site, folder: Path
) -> None:
    if sides.network is None:
        pytest.skip("no network namespaces: nothing can be cut")
    one, older, two, newer = sides.machines
    one.first()
    one.start()
    two.type("join", one.type("invite", "central-2"))
    two.start()
    wait_for("two centrals", lambda: one.is_connected_to(1) and two.is_connected_to(1), PATIENCE_S)
    sides.network.cut()
    older.type("join", one.type("invite", "central-3"))
    older.start()
    newer.type("join", two.type("invite", "central-3"))
    newer.start()
    wait_for("joined there", lambda: "central-3" in _connected(one), PATIENCE_S)
    wait_for("and there", lambda: "central-3" in _connected(two), PATIENCE_S)
    token = two.type("invite", "--edge", "gate-1")

    def used() -> bool:
        with EdgeClient.join(token, folder / "gate.json", attempts=1) as camera:
            return bool(camera.ping()["success"])

    assert sides.on(newer, used)
    sides.network.mend()
    wait_for("the newer is told", lambda: "ID_TAKEN" in newer.problems(), PATIENCE_S)
    for machine in (one, two, older):
        wait_for("three are one", lambda m=machine: m.is_connected_to(2), PATIENCE_S)
    assert "ID_TAKEN" not in older.problems()
    rows = json.loads(two.type("member", "list", "--json"))
    (row,) = [row for row in rows if row["member"] == "central-3"]
    assert row["membership"]["address"] == older.address

    def asked() -> bool:
        kept = json.loads((folder / "gate.json").read_text())
        with EdgeClient(
            "gate-1",
            [f"tcp://{newer.address}:9002"],
            timeout_s=1,
            attempts=1,
            secret_key=kept["secret_key"].encode(),
            public_keys=[newer.type("keygen", "--public", str(newer.folder / "central.key"))],
        ) as camera:
            camera.ping()
        return True

    with pytest.raises(NoAnswer):
        sides.on(newer, asked)


def _connected(machine: Machine) -> set[str]:
    status = machine.status()
    rows = status["peers"] if status else []
    return {row["peer_id"] for row in rows if row["connected"]}
