"""This machine once more beside itself, with a systemd of its own, to see a unit really run.

Its files are those of this machine under an overlay, so that nothing written there stays. Needs
root, systemd-nspawn, and a kernel that lets it; where one lacks the test is skipped.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from zparkd.testbed.loopback import NeverHappened, wait_for

ROOT = Path(__file__).resolve().parents[2]
_BOOT_S = 60.0
_INTO = ("-m", "-u", "-i", "-n", "-p", "-r", "-w")  # all that is the machine's own
_COMMANDS = {
    "zparkd": "zparkd.daemon.main",
    "zparkctl": "zparkd.cli.main",
    "zparkd-web": "zparkd.web.command",
    "zparkd-camera": "zparkd.camera.command",
}
# Python as it runs this test, where the unit's ProtectHome does not hide it.
_PROGRAM = """#!/bin/sh
LD_LIBRARY_PATH=/opt/python/lib exec /opt/python/bin/{python} /opt/bin/.{name}.py "$@"
"""
_MAIN = """import sys
sys.argv[0] = "/opt/bin/{name}"
sys.path[:0] = ["/opt/zparkd", "/opt/site"]
from {module} import main
main()
"""


class NoMachine(Exception):
    """A machine can't be made here. The text says why."""


class Booted:
    """A machine that runs from `with` to its end; commands are run on it as root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "root"
        self._log = folder / "boot.log"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        try:
            self._boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._nspawn is not None:
            self._nspawn.terminate()
            try:
                self._nspawn.wait(30)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        if os.path.ismount(self.root):
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)

    def run(self, *command: str, given: str = "", fails: bool = False) -> str:
        """Run a command there; what it printed. It must do well, or `fails`."""
        done = subprocess.run(
            [
                "nsenter",
                f"--target={self._leader}",
                *_INTO,
                *command,
            ],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={"PATH": "/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
        assert (done.returncode != 0) is fails, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout if not fails else done.stdout + done.stderr

    def owner_and_mode(self, path: str) -> str:
        """Such as `root:zparkd 640`."""
        return self.run("stat", "--format=%U:%G %a", path).strip()

    def _boot(self) -> None:
        if os.geteuid() != 0:
            raise NoMachine("needs root")
        for program in ("systemd-nspawn", "nsenter"):
            if shutil.which(program) is None:
                raise NoMachine(f"{program} is not installed")
        upper, work = self._folder / "upper", self._folder / "work"
        for folder in (upper, work, self.root):
            folder.mkdir()
        layers = f"lowerdir=/,upperdir={upper},workdir={work}"
        self._made("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        self._furnish()
        prefix = Path(sys.base_prefix)
        binds = [f"--bind-ro={ROOT}:/opt/zparkd", f"--bind-ro={prefix}:/opt/python"]
        binds.append(f"--bind-ro={sysconfig.get_path('purelib')}:/opt/site")
        with self._log.open("wb") as log:
            self._nspawn = subprocess.Popen(
                [
                    "systemd-nspawn",
                    "--boot",
                    f"--directory={self.root}",
                    f"--machine=zp-{os.getpid()}",
                    "--private-network",
                    "--register=no",
                    "--keep-unit",
                    "--link-journal=no",
                    "--resolv-conf=off",
                    "--timezone=off",
                    *binds,
                    "systemd.unit=basic.target",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for("it is booted", self._is_booted, _BOOT_S)
        except NeverHappened as fault:
            raise NoMachine(f"{fault}: {self._log.read_text(errors='replace')[-500:]}") from None

    def _furnish(self) -> None:
        """Have none of this machine's services there, and our programs."""
        for wants in (self.root / "etc/systemd/system").glob("*.wants"):
            shutil.rmtree(wants)
        for path in ("etc/zparkd", "var/lib/zparkd", "var/lib/private/zparkd-camera"):
            shutil.rmtree(self.root / path, ignore_errors=True)
        machine_id = self.root / "etc/machine-id"
        machine_id.unlink(missing_ok=True)
        machine_id.write_text("")
        (self.root / "opt/bin").mkdir(parents=True, exist_ok=True)
        python = Path(os.path.realpath(sys.executable)).name
        for name, module in _COMMANDS.items():
            program = self.root / "opt/bin" / name
            program.write_text(_PROGRAM.format(python=python, name=name))
            program.chmod(0o755)
            main = self.root / f"opt/bin/.{name}.py"
            main.write_text(_MAIN.format(name=name, module=module))
            main.chmod(0o644)

    def _is_booted(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise NoMachine(f"it ended: {self._log.read_text(errors='replace')[-500:]}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        with suppress(AssertionError, OSError, IndexError, ValueError):
            self._leader = int(children.read_text().split()[0])
            return "active" in self.run("systemctl", "is-active", "basic.target")
        return False

    def _made(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoMachine(f"{' '.join(command)}: {done.stderr.strip()}")


@contextmanager
def booted(folder: Path) -> Iterator[Booted]:
    """A machine, or a test that is skipped."""
    with ExitStack() as stack:
        try:
            machine = stack.enter_context(Booted(folder))
        except NoMachine as why:
            pytest.skip(f"no machine can be booted here: {why}")
        yield machine
