"""Bare machines and the packages to put on them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from package import deb
from tests.package.machine import SUITE

ROOT = Path(__file__).resolve().parents[2]
MIRROR = "http://deb.debian.org/debian"

NEEDS = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason=f"{SUITE} has Python 3.11"),
    pytest.mark.skipif(
        not (shutil.which("debootstrap") or os.environ.get("DEBIAN_ROOT")),
        reason="debootstrap is not installed",
    ),
]


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def bootable(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with systemd."""
    root = tmp_path_factory.mktemp("systemd") / "root"
    subprocess.run(["cp", "-a", str(bare), str(root)], check=True)
    for words in (
        ["apt-get", "-q", "update"],
        ["apt-get", "-q", "-y", "install", "--no-install-recommends", "systemd-sysv", "dbus"],
    ):
        done = subprocess.run(
            ["chroot", str(root), *words],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin", "DEBIAN_FRONTEND": "noninteractive"},
        )
        if done.returncode:
            pytest.skip(f"{' '.join(words)}: {done.stderr[-300:]}")
    return root


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def first_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of release 0.1.0: its programs, in today's units and samples."""
    (wheel,) = (ROOT / "tests/fixtures/0.1.0").glob("*.whl")
    folder, work = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("work")
    return deb.deb(wheel, folder, work, "0.1.0")
