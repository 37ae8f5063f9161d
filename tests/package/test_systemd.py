"""The package on machines that systemd boots, each with an address of its own."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package.conftest import NEEDS
from tests.package.machine import Booted
from zparkd.client.edge import EdgeClient, NoAnswer
from zparkd.testbed.loopback import new_key, wait_for

pytestmark = [
    *NEEDS,
    pytest.mark.skipif(not shutil.which("systemd-nspawn"), reason="no systemd-nspawn"),
]

PATIENCE_S = 120


class Bridge:
    """A network that only the machines of a test and this one are in."""

    def __init__(self) -> None:
        number = os.getpid() % 200 + 20
        self.name = f"zparkd{number}"
        self._prefix = f"10.213.{number}"
        _ip("link", "add", self.name, "type", "bridge")
        _ip("addr", "add", self.address(254), "dev", self.name)
        _ip("link", "set", self.name, "up")

    def address(self, host: int) -> str:
        return f"{self._prefix}.{host}/24"

    def close(self) -> None:
        _ip("link", "del", self.name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def machines(bootable: Path, tmp_path: Path) -> Iterator[list[Booted]]:
    """Three that have booted, with nothing of ours on them."""
    bridge = Bridge()
    made: list[Booted] = []
    try:
        for number in (1, 2, 3):
            root = tmp_path / f"{bridge.name}-{number}"
            subprocess.run(["cp", "-a", str(bootable), str(root)], check=True)
            made.append(Booted(root, bridge.name, bridge.address(number)))
        yield made
    finally:
        for machine in made:
            machine.off()
        bridge.close()
        shutil.rmtree(tmp_path, ignore_errors=True)


class Camera(threading.Thread):
    """Cars enter, one after the other; `acknowledged` has the plates that a central said yes to."""

    def __init__(self, machines: list[Booted], keys: list[str], key: Path) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.unanswered = 0
        self._over = threading.Event()
        addresses = [f"tcp://{machine.address}:9002" for machine in machines]
        self._client = EdgeClient(
            "gate-1", addresses, timeout_s=2, attempts=5, secret_key_file=key, public_keys=keys
        )

    def run(self) -> None:
        number = 10_000
        with self._client as gate:
            while not self._over.is_set():
                number += 1
                plate = f"29A{number}"
                try:
                    said = gate.open_barrier(plate, direction="ENTRY")
                except NoAnswer:
                    self.unanswered += 1
                    continue
                if said["success"]:
                    self.acknowledged.append(plate)
                self._over.wait(0.05)

    def await_more(self) -> None:
        count = len(self.acknowledged) + 5
        wait_for("cars go on entering", lambda: len(self.acknowledged) >= count, PATIENCE_S)

    def stop(self) -> None:
        self._over.set()
        self.join(60)


def test_a_site_is_upgraded_from_the_first_release_with_traffic_on_grows_by_a_join_and_is_purged(
    machines: list[Booted], first_release: Path, packages: list[Path], tmp_path: Path
) -> None:
    one, two, three = machines
    before = one.files()
    key = tmp_path / "gate-1.key"
    camera_key = new_key(key)
    keys = []
    for number, machine in enumerate((one, two), 1):
        machine.install(first_release)
        setup = ("--id", f"central-{number}", "--site", "lot-a", "--address", machine.address)
        machine.run("zparkctl", "setup", *setup)
        keys.append(
            machine.run("zparkctl", "keygen", "--public", "/etc/zparkd/central.key").strip()
        )
        edge = machine.root / "etc/zparkd/edges.d/gate-1.toml"
        edge.write_text(f'id = "gate-1"\npublic_key = "{camera_key}"\n')
    for number, (machine, other) in enumerate(((two, one), (one, two))):
        peer = ("peer", "add", f"central-{number + 1}", other.address)
        machine.run("zparkctl", *peer, "--public-key", keys[number])
    for machine in (one, two):
        machine.start()
        wait_for("it runs", machine.answers, PATIENCE_S)
    camera = Camera([one, two], keys, key)
    camera.start()
    try:
        camera.await_more()
        for machine in (one, two):
            machine.install(packages[0])  # and systemd starts the new version
            wait_for("it runs again", machine.answers, PATIENCE_S)
            assert status(machine)["version"] == packages[0].name.split("_")[1].replace("~", "")
            camera.await_more()
        three.install(packages[0])
        token = one.run("zparkctl", "invite", "central-3").splitlines()[0]
        three.run("zparkctl", "join", token, "--address", three.address)
        three.start()
        for machine in machines:
            wait_for("it knows both others", lambda m=machine: peers(m) == 2, PATIENCE_S)
        camera.await_more()
    finally:
        camera.stop()
    assert camera.unanswered == 0
    inside = sorted(camera.acknowledged)
    for machine in machines:
        wait_for("it has all", lambda m=machine: m.inside() == inside, PATIENCE_S)
        assert machine.restarts() == 0
    # The service itself wrote who came, in a directory that is its only one under /etc.
    for machine in (one, two):
        file = machine.root / "etc/zparkd/peers.d/central-3.toml"
        assert file.read_text().startswith("# zparkd roster")
        assert machine.run("stat", "-c", "%U:%G", "/etc/zparkd/peers.d/central-3.toml") in (
            "zparkd:zparkd\n",
        )
    assert "29A10001" in one.run("journalctl", "-u", "zparkd", "PLATE=29A10001") + two.run(
        "journalctl", "-u", "zparkd", "PLATE=29A10001"
    )
    one.run("systemctl", "disable", "--now", "zparkd")
    said = one.run("dpkg", "--purge", "zparkd")
    assert "the database stays" in said
    assert one.run("systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""
    left = {name for name in one.files() - before if not name.startswith("var/lib/zparkd")}
    assert not left, sorted(left)[:20]


def status(machine: Booted) -> dict[str, object]:
    answer = machine.ask("status")
    assert isinstance(answer, dict)
    return answer


def peers(machine: Booted) -> object:
    """How many others a machine knows, where it is connected to all of them."""
    now = status(machine)
    return now["total_peers"] if now["connected_peers"] == now["total_peers"] else None
