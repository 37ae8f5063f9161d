"""Redis: appended and synced on the first, and held by one of two replicas (`WAIT 1`)."""

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.producers import EVENT, closed_loop, memory_mb, seen_p50
from benchmarks.site import CATCH_UP, EDGES, Figures
from zparkd.testbed.loopback import wait_for
from zparkd.testbed.servers import RedisServer


class _Connection:
    """A connection that sends commands as arrays, and reads numbers, words and strings."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")

    def send(self, *words: str) -> None:
        parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        self._socket.sendall(f"*{len(words)}\r\n{parts}".encode())

    def answer(self) -> bytes:
        line = self._lines.readline().strip()
        if line.startswith(b"-"):
            raise OSError(line.decode())
        if line.startswith(b"$"):
            return self._lines.read(int(line[1:]) + 2)[:-2]
        return line[1:]

    def ask(self, *words: str) -> bytes:
        self.send(*words)
        return self.answer()


def is_installed() -> bool:
    """Whether there is a redis-server here."""
    return shutil.which("redis-server") is not None


def waited(folder: Path, acks: int) -> Figures:
    """One stream entry an event."""
    first = RedisServer(folder / "a")
    replicas = [RedisServer(folder / name, of=first) for name in ("b", "c")]
    servers = [first, *replicas]
    try:
        for server in servers:
            server.start()
        wait_for("the replicas follow", lambda: _following(first) == len(replicas), 60)

        def writer() -> Callable[[str], None]:
            connection = _Connection(first.port)

            def write(body: str) -> None:
                connection.send("XADD", "events", "*", "body", body)
                connection.send("WAIT", "1", "0")
                connection.answer()
                connection.answer()

            return write

        closed_loop(writer, 50, 1)
        one = closed_loop(writer, acks, 1)
        busy = closed_loop(writer, acks * 5, EDGES)
        assert first.process is not None
        return {
            "ack p50": one.p50,
            "ack p99": one.p99,
            "acks": busy.per_s,
            "seen": seen_p50(writer(), _counter(replicas[0]), 200),
            "memory": memory_mb(first.process.pid),
            "catch-up": _catch_up(first, replicas[1]),
        }
    finally:
        for server in servers:
            server.kill()


def _following(first: RedisServer) -> int:
    return _Connection(first.port).ask("INFO", "replication").count(b"state=online")


def _counter(server: RedisServer) -> Callable[[], int]:
    connection = _Connection(server.port)
    return lambda: int(connection.ask("XLEN", "events"))


def _catch_up(first: RedisServer, last: RedisServer) -> float:
    last.kill()
    connection = _Connection(first.port)
    for _ in range(CATCH_UP):
        connection.send("XADD", "events", "*", "body", EVENT)
    for _ in range(CATCH_UP):
        connection.answer()
    wanted = _counter(first)()
    begin = time.perf_counter()
    last.start()

    def there() -> bool:
        try:
            return _counter(last)() >= wanted
        except OSError:  # LOADING, while it reads its file
            return False

    wait_for("the replica caught up", there, 120)
    return CATCH_UP / (time.perf_counter() - begin)
