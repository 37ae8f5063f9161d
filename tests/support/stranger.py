"""Somebody who knocks at a port with whatever key, and what comes of it. No test lives here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import orjson
import zmq

from zparkd.testbed.loopback import LoopbackCentral, wait_for

BUS, SYNC, EDGE = range(3)
PORT_NAMES = {BUS: "bus", SYNC: "sync", EDGE: "edge"}
_KINDS = {BUS: zmq.SUB, SYNC: zmq.DEALER, EDGE: zmq.REQ}
_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
)


def secret_in(file: Path) -> bytes:
    return file.read_bytes().strip()


def new_secret() -> bytes:
    return zmq.curve_keypair()[1]


@dataclass
class Caller:
    """A socket that dials a port of a central."""

    socket: zmq.Socket
    monitor: zmq.Socket
    events: list[int] = field(default_factory=list)

    def look(self) -> list[int]:
        """Which handshake events there were so far."""
        while self.monitor.poll(0):
            event = int.from_bytes(self.monitor.recv_multipart()[0][:2], "little")
            self.events.append(event)
        return self.events

    def wait_refused(self, times: int = 1) -> None:
        wait_for("turned away", lambda: sum(e in _FAILED for e in self.look()) >= times)

    def wait_admitted(self) -> None:
        wait_for("let in", lambda: zmq.EVENT_HANDSHAKE_SUCCEEDED in self.look())

    @property
    def admitted(self) -> bool:
        return zmq.EVENT_HANDSHAKE_SUCCEEDED in self.look()

    def answer(self, timeout_s: float = 10.0) -> list[bytes] | None:
        """The next message, None where none comes in time."""
        return self.socket.recv_multipart() if self.socket.poll(timeout_s * 1000) else None

    def drain(self) -> None:
        while self.socket.poll(0):
            self.socket.recv_multipart()


@contextmanager
def calling(
    central: LoopbackCentral,
    port: int,
    secret: bytes | None,
    server_key: str | None = None,
    body: bytes | None = None,
) -> Iterator[Caller]:
    """Dial a port and send what somebody sends who belongs there; None for no key at all."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = context.socket(_KINDS[port])
    monitor = made.get_monitor_socket()
    try:
        made.linger = monitor.linger = 0
        if secret is not None:
            made.curve_secretkey, made.curve_publickey = secret, zmq.curve_public(secret)
            made.curve_serverkey = (server_key or central.public_key or "").encode()
        made.connect(f"tcp://127.0.0.1:{central.ports[port]}")
        if port == BUS:
            made.subscribe(b"")
        else:
            made.send(body or said(port))
        yield Caller(made, monitor)
    finally:
        made.disable_monitor()
        monitor.close()
        context.destroy(linger=0)


def said(port: int, who: str | None = None) -> bytes:
    """What somebody asks who belongs to this port."""
    if port == EDGE:
        return orjson.dumps({"type": "PING", "edge_id": who or "gate-1"})
    header = {"v": 1, "type": "SYNC_REQUEST", "source_central": who or "central-2", "timestamp": 0}
    return orjson.dumps({**header, "data": {"site": "lot-a", "id": 1, "after": []}})


def seconds_until(what: str, condition) -> float:
    began = monotonic()
    wait_for(what, condition)
    return monotonic() - began
