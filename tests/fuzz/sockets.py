"""Two running centrals under attack on every port, while an honest camera goes on asking.

The centrals use no keys, so that the attack reaches what is behind the handshake. A stranger is
never a peer here either: that a peer lies is fed in-process, see `decoders`.
"""

import random
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import zmq

from tests.fuzz.decoders import corpus, json_of
from tests.fuzz.mutate import broken, hostile
from zparkd.client import EdgeClient, NoAnswer
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite

ANSWER_S = 2.0  # what a camera waits before it asks again
GROWTH_MB = 60
OPEN_CONNECTIONS = 100
_HTTP = b"GET / HTTP/1.1\r\n"
_GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(16 + 1 + 31)


class Honest(threading.Thread):
    """A camera that enters and leaves, one vehicle after the other, and measures its answers."""

    def __init__(self, central: LoopbackCentral) -> None:
        super().__init__()
        self._central = central
        self._over = threading.Event()
        self.slowest_s = 0.0
        self.acts = 0
        self.fault: str | None = None

    def run(self) -> None:
        with EdgeClient("honest", [self._central.endpoint], timeout_s=10, attempts=1) as gate:
            while not self._over.is_set() and self.fault is None:
                plate, way = f"51F{self.acts // 2:06d}", ("ENTRY", "EXIT")[self.acts % 2]
                began = time.monotonic()
                try:
                    answer = gate.open_barrier(plate, direction=way)
                except NoAnswer as silence:
                    self.fault = str(silence)
                    return
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.acts += 1
                if answer["success"] is not True:
                    self.fault = f"the honest camera was told {answer}"
                self._over.wait(0.02)

    def stop(self) -> None:
        """End after the request under way."""
        self._over.set()
        self.join()


class Attacker:
    """Connections of all kinds to all ports of one central."""

    def __init__(self, central: LoopbackCentral, chance: random.Random) -> None:
        self._central = central
        self._chance = chance
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._raw: list[socket.socket] = []
        edge, sync, control = json_of("edge"), json_of("sync"), json_of("control")
        self._speakers = [
            (self._dealer(central.endpoint), edge),
            (self._dealer(f"tcp://127.0.0.1:{central.ports[1]}"), sync),
            (self._dealer(f"ipc://{central.folder / 'control.sock'}"), control),
        ]
        self._hearer = self._context.socket(zmq.SUB)
        self._hearer.connect(f"tcp://127.0.0.1:{central.ports[0]}")

    def _dealer(self, endpoint: str) -> "zmq.Socket[bytes]":
        made = self._context.socket(zmq.DEALER)
        made.linger = 0
        made.connect(endpoint)
        return made

    def strike(self) -> None:
        """One hostile input, somewhere."""
        if self._chance.random() < 0.9:
            self._speak()
        elif self._chance.random() < 0.5:
            self._connect()
        else:
            self._hearer.subscribe(self._chance.randbytes(self._chance.choice((0, 8, 2_000))))

    def _speak(self) -> None:
        speaker, samples = self._chance.choice(self._speakers)
        body = hostile(self._chance, samples)
        frames = [b"", body]
        match self._chance.randrange(12):
            case 0:
                frames = [body]
            case 1:
                frames = [b"", body] * 5
            case 2:
                frames = [b""] * 40
            case 3:
                frames = [b"", body * 200]
        try:
            speaker.send_multipart(frames, zmq.NOBLOCK)
            while True:
                speaker.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            pass

    def _connect(self) -> None:
        """A connection that says no ZMTP, or stops in the middle of it; mostly left open."""
        chance = self._chance
        made = socket.create_connection(("127.0.0.1", chance.choice(self._central.ports)), 5)
        said = chance.choice(
            (_GREETING, _GREETING[:20], chance.randbytes(300), b"GET / HTTP/1.1\r\n")
        )
        if chance.random() < 0.5:
            said = broken(chance, said, corpus("edge")[0])
        with suppress(OSError):  # it hung up first
            made.sendall(said + chance.randbytes(chance.choice((0, 9, 5_000))))
        self._raw.append(made)
        if len(self._raw) > OPEN_CONNECTIONS:
            self._raw.pop(0).close()

    def close(self) -> None:
        """Leave."""
        for made in self._raw:
            made.close()
        self._context.destroy(linger=0)


def attack(seed: int, inputs: int) -> tuple[int, str | None]:
    """Attack a site with so many inputs; how many it were, and what went wrong."""
    chance = random.Random(f"sockets {seed}")
    with tempfile.TemporaryDirectory() as name, LoopbackSite(Path(name), 2) as site:
        site.start()
        site.wait_connected()
        attacked, other = site.centrals
        assert attacked.process is not None
        process = psutil.Process(attacked.process.pid)
        before_mb = process.memory_info().rss / 1e6
        honest, attacker = Honest(attacked), Attacker(attacked, chance)
        honest.start()
        try:
            for _ in range(inputs):
                attacker.strike()
        finally:
            attacker.close()
            honest.stop()
        grown_mb = process.memory_info().rss / 1e6 - before_mb
        site.wait_equal(60)
        if honest.fault is not None:
            return inputs, honest.fault
        if honest.slowest_s > ANSWER_S:
            return inputs, f"an honest camera waited {honest.slowest_s:.1f} s"
        if grown_mb > GROWTH_MB:
            return inputs, f"the daemon grew by {grown_mb:.0f} MB"
        if other.status()["events"] < honest.acts:
            return inputs, "the other central lacks what the honest camera did"
        return inputs, None
