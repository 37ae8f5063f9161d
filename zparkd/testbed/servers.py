"""Real servers of NATS and PostgreSQL on this machine, for the demo, the tests and the benchmarks.

Each is the distribution's program with a folder and a port of its own. PostgreSQL refuses to run
as root; there it runs as the user `postgres` that its package makes.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from zparkd.testbed.loopback import NeverHappened, free_ports, wait_for

_POSTGRES = "/usr/lib/postgresql"


def missing_servers() -> str | None:
    """Why there are no such servers here; None where there are."""
    if shutil.which("nats-server", path=_path()) is None:
        return "nats-server is not installed: apt-get install nats-server"
    if _postgres_bin() is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    return None


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def _postgres_bin() -> Path | None:
    found = sorted(Path(_POSTGRES).glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    other = shutil.which("postgres")
    return Path(other).parent if other is not None else None


class _Server:
    """A process that is started, killed, and started again on the same folder and port."""

    def __init__(self) -> None:
        self.port = free_ports(1)[0]
        self.process: subprocess.Popen[bytes] | None = None

    def _launch(self, command: list[str], log: Path) -> None:
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        try:
            wait_for(f"{name} is ready", ready, 60)
        except NeverHappened:
            self._end(signal.SIGKILL)
            raise

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            with_group = os.getpgid(self.process.pid)
            os.killpg(with_group, how)
            self.process.wait()
            self.process = None


class NatsServer(_Server):
    """`nats-server` with JetStream."""

    def __init__(self, folder: Path, config: Path | None = None) -> None:
        """One with its files in `folder`; `config` is what it is to know beyond its port."""
        super().__init__()
        self.folder = folder
        self._more = ["-c", str(config)] if config is not None else []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where to connect to."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it, and wait until it takes connections."""
        program = shutil.which("nats-server", path=_path())
        assert program is not None
        store = str(self.folder / "store")
        command = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", store]
        log = self.folder / "log.txt"
        begun = log.stat().st_size if log.exists() else 0
        self._launch(command + self._more, log)
        self._await("nats-server", lambda: b"is ready" in log.read_bytes()[begun:])
        return self

    def kill(self) -> None:
        """Cut its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it."""
        self._end(signal.SIGTERM)


class RedisServer(_Server):
    """`redis-server` that syncs what it appends before it answers."""

    def __init__(self, folder: Path, of: "RedisServer | None" = None) -> None:
        """One with its files in `folder`; with `of` a replica of that one."""
        super().__init__()
        self.folder = folder
        self._replica = ["--replicaof", f"127.0.0.1 {of.port}"] if of is not None else []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> Self:
        """Start it, and wait until it takes connections."""
        program = shutil.which("redis-server", path=_path())
        assert program is not None
        command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", ""]
        command += ["--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always"]
        log = self.folder / "log.txt"
        begun = log.stat().st_size if log.exists() else 0
        self._launch(command + self._replica, log)
        self._await("redis-server", lambda: b"Ready to accept" in log.read_bytes()[begun:])
        return self

    def kill(self) -> None:
        """Cut its power."""
        self._end(signal.SIGKILL)


class PostgresServer(_Server):
    """`postgres` with a cluster of its own."""

    def __init__(self, *, durable: bool = True, more: tuple[str, ...] = ()) -> None:
        """One that is not `durable` outlives the death of its processes, not of the machine.

        `more` are settings beyond its own, as `name=value`.
        """
        super().__init__()
        self._more = [part for setting in more for part in ("-c", setting)]
        self._fsync = "on" if durable else "off"
        programs = _postgres_bin()
        assert programs is not None
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="zparkd-postgres-", dir="/tmp"))
        self._as = []
        if os.geteuid() == 0:
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self.folder, "postgres", "postgres")
        self._data = self.folder / "data"
        subprocess.run(
            [
                *(*self._as, str(programs / "initdb"), "-D", str(self._data), "-A", "trust"),
                *("-U", "fleet", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"),
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )

    @property
    def dsn(self) -> str:
        """Where to connect to."""
        return f"postgresql://fleet@127.0.0.1:{self.port}/postgres"

    def start(self) -> Self:
        """Start it, and wait until it takes connections."""
        self._launch(
            [
                *(*self._as, str(self._programs / "postgres"), "-D", str(self._data)),
                *("-p", str(self.port), "-c", "listen_addresses=127.0.0.1"),
                *("-c", "unix_socket_directories=", "-c", "max_wal_size=2GB"),
                *("-c", "restart_after_crash=off", "-c", f"fsync={self._fsync}"),
                *self._more,
            ],
            self.folder / "log.txt",
        )
        self._await("PostgreSQL", self._is_ready)
        return self

    def _is_ready(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        """Cut its power."""
        self._end(signal.SIGKILL)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it, and remove what it kept."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)
