"""A peer that speaks as it is told to, to see what a central makes of it. No code of zparkd."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import orjson
import zmq

from zparkd.testbed.loopback import LoopbackCentral

Frames = list[bytes]
Answering = Callable[[dict[str, Any]], Sequence[Frames]]
NOW_MS = int(time.time() * 1000) - 60_000
HEARTBEAT = b"zparkd.1.heartbeat"
EVENTS = b"zparkd.1.events"
NOTHING_OLDER = hashlib.blake2b(b"", digest_size=16).hexdigest()


def header(kind: str, data: object, source: str = "central-9", **other: object) -> bytes:
    return json.dumps(
        {"v": 1, "type": kind, "source_central": source, "timestamp": 1, "data": data, **other}
    ).encode()


def beat(source: str = "central-9", **other: object) -> Frames:
    """A heartbeat of a peer that holds nothing and hears central-1."""
    data = {
        "site": "lot-a",
        "timezone": "Asia/Ho_Chi_Minh",
        "version": "9",
        "wall_ms": NOW_MS,
        "hears": ["central-1"],
        "heads": [],
        "older": NOTHING_OLDER,
        **other,
    }
    return [HEARTBEAT, header("HEARTBEAT", data, source)]


def page(
    ask: dict[str, Any], body: bytes | None = None, source: str = "central-9", **other: object
) -> Frames:
    """The answer to a sync request."""
    data = {"site": "lot-a", "id": ask["data"]["id"], "wall_ms": NOW_MS, **other}
    frames = [header("SYNC_RESPONSE", data, source)]
    return frames if body is None else [*frames, body]


class WrongPeer(threading.Thread):
    """`central-9` as a PUB and a ROUTER; what it says is up to the test.

    `answering` makes the answers to one sync request, each a list of frames. What `publish` is
    given is published in turns, again and again.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._pub = self._context.socket(zmq.PUB)
        self._router = self._context.socket(zmq.ROUTER)
        self._over = threading.Event()
        self.bus_port = self._pub.bind_to_random_port("tcp://127.0.0.1")
        self.sync_port = self._router.bind_to_random_port("tcp://127.0.0.1")
        self.saying: list[Frames] = [beat()]
        self.answering: Answering = lambda ask: [page(ask, heads=[])]
        self.said = 0
        self.asked = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self.join(10)
        self._context.destroy(linger=0)

    def known_to(self, central: LoopbackCentral, as_id: str = "central-9") -> None:
        central.peer_file(as_id).write_text(
            f'id = "{as_id}"\naddress = "127.0.0.1"\n'
            f"bus_port = {self.bus_port}\nsync_port = {self.sync_port}\n"
        )

    def say(self, saying: list[Frames]) -> None:
        """Publish this in turns from now on."""
        self.saying = saying
        self.said = 0

    def run(self) -> None:
        while not self._over.is_set():
            saying = self.saying
            self._pub.send_multipart(saying[self.said % len(saying)])
            self.said += 1
            if self._router.poll(2):
                token, *frames = self._router.recv_multipart()
                self.asked += 1
                for answer in self.answering(orjson.loads(frames[0])):
                    self._router.send_multipart([token, *answer])
