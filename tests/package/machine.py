"""One machine of a test: a Debian in a folder of its own. No test here."""

import shutil
import subprocess
from pathlib import Path

import orjson

from zparkd.testbed.loopback import wait_for

SUITE = "bookworm"
# What dpkg, useradd and a boot write, and no package can take back.
BOOKS = (
    "var/lib/dpkg/",
    "var/lib/systemd/",
    "var/log/",
    "var/cache/",
    "var/tmp/",
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
    "sys/",
)
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class Machine:
    """One machine: a root of its own; it shares the network with this one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.daemon: subprocess.Popen[bytes] | None = None
        self._enter = ["chroot", str(root)]

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            [*self._enter, *command],
            capture_output=True,
            text=True,
            check=False,
            env=_ENV,
        )
        assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def install(self, package: Path) -> str:
        shutil.copy(package, self.root / "root")  # a booted one has a /tmp of its own
        said = self.run("dpkg", "--install", f"/root/{package.name}")
        (self.root / "root" / package.name).unlink()
        return said

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
        asked = [*self._enter, "zparkctl", "status", "--json"]
        return subprocess.run(asked, capture_output=True, check=False, env=_ENV).returncode == 0

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

    def inside(self) -> list[str]:
        """The plates that are inside, as this machine shows them."""
        rows = self.ask("history", "--inside", "--limit", "100000")
        assert isinstance(rows, list)
        return sorted(row["plate_id"] for row in rows)


class Booted(Machine):
    """One machine under systemd, with a network and an address of its own."""

    def __init__(self, root: Path, bridge: str, address: str) -> None:
        """Boot it. `address` is one of the network of `bridge`, with its length."""
        super().__init__(root)
        self.address = address.partition("/")[0]
        self._log = root.with_suffix(".log")
        container = ["systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--quiet"]
        container += ["--machine", root.name, "--network-bridge", bridge]
        with self._log.open("wb") as log:
            self._container = subprocess.Popen(
                [*container, "--directory", root],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(f"{root.name} has begun", self._init, 60)
        self._enter = ["nsenter", "-a", "-r", "-w", "-t", str(self._init())]
        wait_for(f"{root.name} has booted", self._has_booted, 120)
        in_its_network = ["nsenter", "-n", "-t", str(self._init()), "ip"]
        for words in (["addr", "add", address, "dev", "host0"], ["link", "set", "host0", "up"]):
            subprocess.run([*in_its_network, *words], check=True)

    def _init(self) -> int | None:
        """The process that is the first there, as it is numbered here."""
        children = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children")
        for number in children.read_text().split():
            if Path(f"/proc/{number}/comm").read_text() == "systemd\n":
                return int(number)
        return None

    def _has_booted(self) -> bool:
        asked = [*self._enter, "systemctl", "is-system-running"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        return done.stdout.strip() in ("running", "degraded")

    def start(self) -> None:
        self.run("systemctl", "enable", "--now", "zparkd")

    def restarts(self) -> int:
        """How often systemd has started the service again by itself."""
        return int(self.run("systemctl", "show", "-P", "NRestarts", "zparkd"))

    def off(self) -> None:
        """Pull the plug."""
        self._container.terminate()
        try:
            self._container.wait(60)
        except subprocess.TimeoutExpired:
            self._container.kill()
            self._container.wait()
