"""The Debian package in throw-away roots: install, two centrals that talk, upgrade, remove, purge.

The roots are copies of a bare Debian made by debootstrap, or of the one that DEBIAN_ROOT names.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from zparkd.testbed.loopback import free_ports, wait_for

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
# What dpkg and useradd write, and no package can take back.
BOOKS = (
    "var/lib/dpkg/",
    "var/log/",
    "var/cache/",
    "etc/passwd",
    "etc/group",
    "etc/shadow",
    "etc/gshadow",
    "etc/subuid",
    "etc/subgid",
    "run/",
    "tmp/",
    "dev/",
    "proc/",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason=f"{SUITE} has Python 3.11"),
    pytest.mark.skipif(
        not (shutil.which("debootstrap") or os.environ.get("DEBIAN_ROOT")),
        reason="debootstrap is not installed",
    ),
]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare Debian with Python and nothing else."""
    if given := os.environ.get("DEBIAN_ROOT"):
        return Path(given)
    root = tmp_path_factory.mktemp("debian") / "root"
    command = ["debootstrap", "--variant=minbase", "--include=python3", SUITE, str(root), MIRROR]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"debootstrap: {done.stdout[-300:]}")
    return root


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The package, and the next release of it."""
    folder = tmp_path_factory.mktemp("dist")
    made = []
    for more in ((), ("--version", "9.9.9")):
        done = subprocess.run(
            [ROOT / "bin/package", folder, *more], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        made.append(Path(done.stdout.split()[-1]))
    assert [path.name.split("_")[1] for path in made] == [made[0].name.split("_")[1], "9.9.9"]
    return made


class Machine:
    """One machine: a root of its own; it shares the network with this one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.daemon: subprocess.Popen[bytes] | None = None

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            ["chroot", str(self.root), *command],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def install(self, package: Path) -> str:
        shutil.copy(package, self.root / "tmp")
        return self.run("dpkg", "--install", f"/tmp/{package.name}")

    def ask(self, *words: str) -> object:
        return orjson.loads(self.run("zparkctl", *words, "--json"))

    def configure(self, id: str, ports: list[int]) -> None:
        """What an admin does: setup, and the ports that are free here."""
        said = self.run(
            "zparkctl", "setup", "--id", id, "--site", "lot-a", "--address", "127.0.0.1"
        )
        assert "the files of the package" in said
        file = self.root / "etc/zparkd/zparkd.toml"
        names = ("bus_port", "sync_port", "edge_port")
        added = "".join(f"{name} = {port}\n" for name, port in zip(names, ports, strict=True))
        file.write_text(file.read_text().replace("[listen]\n", f"[listen]\n{added}"))
        key = self.run("zparkctl", "keygen", "/root/gate-1.key").strip()
        edge = self.root / "etc/zparkd/edges.d/gate-1.toml"
        edge.write_text(f'id = "gate-1"\npublic_key = "{key}"\n')

    def start(self) -> None:
        """As the unit does: as the user zparkd, with a directory for the socket."""
        self.run("install", "-d", "-o", "zparkd", "-g", "zparkd", "-m", "0750", "/run/zparkd")
        self.daemon = subprocess.Popen(
            ["chroot", "--userspec=zparkd:zparkd", str(self.root), "/usr/bin/zparkd"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for("it answers", self.answers, 60)

    def answers(self) -> bool:
        asked = ["chroot", str(self.root), "zparkctl", "status", "--json"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def stop(self) -> None:
        if self.daemon is not None:
            self.daemon.terminate()
            assert self.daemon.wait(60) == 0
            self.daemon = None

    def files(self) -> set[str]:
        """All that is there, but for what no package can take back."""
        found = (str(path.relative_to(self.root)) for path in self.root.rglob("*"))
        return {
            name
            for name in found
            if not f"{name}/".startswith(BOOKS) and name not in BOOKS and not name.endswith("-")
        }


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
    wait_for("it is at the other", lambda: inside(two) == ["29A11111"], 60)
    # The upgrade of one: the files change under the running daemon, then it is restarted.
    one.install(packages[1])
    enter(one, "29A22222")
    one.stop()
    enter(two, "29A33333")
    one.start()
    wait_for("both have all", lambda: inside(one) == inside(two) == PLATES, 60)
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


def inside(machine: Machine) -> list[str]:
    rows = machine.ask("history", "--inside")
    assert isinstance(rows, list)
    return sorted(row["plate_id"] for row in rows)


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
