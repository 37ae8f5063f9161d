"""The Debian package in throw-away roots: install, two centrals that talk, upgrade, remove, purge.

The roots are copies of a bare Debian made by debootstrap, or of the one that DEBIAN_ROOT names.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.package.conftest import NEEDS
from tests.package.machine import Machine
from zparkd.testbed.loopback import free_ports, wait_for

pytestmark = NEEDS


@pytest.fixture
def machines(bare: Path, tmp_path: Path) -> Iterator[list[Machine]]:
    made = []
    for name in ("one", "two"):
        subprocess.run(["cp", "-a", str(bare), str(tmp_path / name)], check=True)
        made.append(Machine(tmp_path / name))
    yield made
    for machine in made:
        if machine.daemon is not None:
            machine.daemon.kill()
            machine.daemon.wait()
        shutil.rmtree(machine.root, ignore_errors=True)


def test_two_machines_install_talk_upgrade_with_traffic_on_and_purge(
    machines: list[Machine], packages: list[Path]
) -> None:
    one, two = machines
    before = one.files()
    keys = []
    ports = [free_ports(3), free_ports(3)]
    for number, machine in enumerate(machines):
        assert "zparkctl setup --site NAME" in machine.install(packages[0])
        machine.configure(f"central-{number + 1}", ports[number])
        keys.append(
            machine.run("zparkctl", "keygen", "--public", "/etc/zparkd/central.key").strip()
        )
    for machine, number in ((one, 1), (two, 0)):
        machine.run(
            "zparkctl",
            "peer",
            "add",
            f"central-{number + 1}",
            "127.0.0.1",
            "--bus-port",
            str(ports[number][0]),
            "--sync-port",
            str(ports[number][1]),
            "--public-key",
            keys[number],
        )
        machine.run("zparkctl", "config", "check")
    for machine in machines:
        machine.start()
    enter(one, "29A11111")
    wait_for("it is at the other", lambda: two.inside() == ["29A11111"], 60)
    # The upgrade of one: the files change under the running daemon, then it is restarted.
    one.install(packages[1])
    enter(one, "29A22222")
    one.stop()
    enter(two, "29A33333")
    one.start()
    wait_for("both have all", lambda: one.inside() == two.inside() == PLATES, 60)
    assert "9.9.9" in one.run("dpkg-query", "--show", "zparkd")
    one.stop()
    # Removed: the programs are gone, settings and data stay.
    one.run("dpkg", "--remove", "zparkd")
    assert not (one.root / "opt/zparkd").exists()
    assert not (one.root / "usr/bin/zparkctl").is_symlink()
    assert (one.root / "etc/zparkd/central.key").exists()
    # Purged: nothing is left but data.
    said = one.run("dpkg", "--purge", "zparkd")
    assert "the database stays" in said
    left = one.files() - before
    assert left
    data = ("var/lib/zparkd", "root/gate-1.key")
    assert all(name.startswith(data) for name in left), sorted(left)[:20]


PLATES = ["29A11111", "29A22222", "29A33333"]


def enter(machine: Machine, plate: str) -> None:
    words = ("edge", "open", "--edge", "gate-1", "--plate", plate, "--direction", "ENTRY")
    key = ("--secret-key-file", "/root/gate-1.key")
    said = orjson.loads(machine.run("zparkctl", *words, *key))
    assert said["success"] is True, said


def test_a_bare_machine_gets_man_pages_completions_and_units(
    machines: list[Machine], packages: list[Path]
) -> None:
    one = machines[0]
    one.install(packages[0])
    for path in (
        "usr/share/man/man1/zparkctl-import.1.gz",
        "usr/share/man/man8/zparkd.8.gz",
        "usr/share/man/man5/zparkd.toml.5.gz",
        "usr/share/bash-completion/completions/zparkctl",
        "usr/lib/systemd/system/zparkd-backup.timer",
        "usr/lib/systemd/catalog/zparkd.vi.catalog",
        "usr/share/doc/zparkd/examples/tariffs/airport.toml",
    ):
        assert (one.root / path).is_file(), path
    assert not list((one.root / "etc/zparkd").glob("*.key")), "each machine makes its own"
    for program in ("zparkd", "zparkctl", "zparkd-web", "zparkd-camera"):
        assert "Usage" in one.run(program, "--help")
    script = "import zparkd, sys; print(sys.prefix, zparkd.__file__)"
    said = one.run("/opt/zparkd/bin/python3", "-I", "-c", script).split()
    assert said == ["/opt/zparkd", "/opt/zparkd/lib/python3.11/site-packages/zparkd/__init__.py"]
    # A purge of a changed sample asks nobody, and a machine that never ran it keeps nothing.
    one.run("dpkg", "--purge", "zparkd")
    assert not (one.root / "opt/zparkd").exists()
    assert not (one.root / "etc/zparkd").exists()
