"""`python -m benchmarks.camera`: from a camera's message to the barrier's relay being asked.

Three real centrals, a real zparkd-camera beside them, one lane. The time runs from before the
camera connects until the relay has the first bytes of the request, so it holds both ways of HTTP.
"""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from statistics import median, quantiles

import click

from benchmarks.site import running_site
from zparkd.testbed.loopback import free_ports, wait_for

PATIENCE_S = 30.0


class _Relay(threading.Thread):
    """Answers each request with 200; `asked` gets the time of its first bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: Queue[float] = Queue()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def run(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection:
                if connection.recv(4096):
                    self.asked.put(time.perf_counter())
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def _event(number: int) -> bytes:
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    return (
        '<?xml version="1.0" encoding="UTF-8"?><EventNotificationAlert version="2.0">'
        f"<dateTime>{when}</dateTime><eventType>ANPR</eventType><ANPR>"
        f"<licensePlate>29A{number:05d}</licensePlate><direction>forward</direction>"
        "<confidenceLevel>97</confidenceLevel></ANPR></EventNotificationAlert>"
    ).encode()


def _send(port: int, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/in-1", body, {"Content-Type": "application/xml"})
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def measure(folder: Path, passages: int) -> list[float]:
    """How long each passage took, in seconds."""
    relay = _Relay()
    relay.start()
    with running_site(folder / "site", 3, Path(__file__).parents[1]) as site:
        (folder / "cameras.d").mkdir()
        port = free_ports(1)[0]
        config = folder / "camera.toml"
        config.write_text(f'listen = "127.0.0.1:{port}"\noutbox = "outbox.db"\n')
        endpoints = ", ".join(f'"{central.endpoint}"' for central in site.centrals)
        (folder / "cameras.d" / "in-1.toml").write_text(
            f'edge_id = "in-1"\ncentrals = [{endpoints}]\nsource = "hikvision"\n'
            'allow = ["127.0.0.1"]\ndirection = "ENTRY"\nwindow_s = 0\n'
            f'[barrier]\nkind = "http"\nurl = "http://127.0.0.1:{relay.port}/open"\n'
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "zparkd.camera.main", "-c", str(config)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        try:
            wait_for("zparkd-camera listens", lambda: _listens(port), PATIENCE_S)
            taken = []
            for number in range(passages + 10):
                started = time.perf_counter()
                _send(port, _event(number))
                taken.append(relay.asked.get(timeout=PATIENCE_S) - started)
                time.sleep(0.01)
            return taken[10:]
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@click.command()
@click.option("--passages", default=300, show_default=True)
def main(passages: int) -> None:
    """Measure from the frame of a camera to the open of a barrier; the aim is p50 below 15 ms."""
    with tempfile.TemporaryDirectory(prefix="zparkd-bench-") as name:
        taken = measure(Path(name), passages)
    cuts = quantiles(taken, n=100)
    print(
        f"frame to open, {passages} passages: p50 {median(taken) * 1e3:.1f} ms,"
        f" p95 {cuts[94] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms (aim: p50 < 15 ms)"
    )


if __name__ == "__main__":
    main()
