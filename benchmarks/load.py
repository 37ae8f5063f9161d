"""Cameras that ask as fast as they are answered, or at a steady pace.

Half of what they ask for are entries of new vehicles, half are exits of vehicles that came in two
entries before, so that every stay is opened and ended; request ids are random, as a camera's are.
"""

import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson
import zmq

_plates = itertools.count()
_INSIDE = 2  # vehicles of a camera that are inside before the first of them leaves


class Times(NamedTuple):
    """How long answers took (seconds), and how many came a second."""

    p50: float
    p99: float
    longest: float
    per_s: float

    @classmethod
    def of(cls, taken: list[float], seconds: float) -> "Times":
        """The figures of these answers, which took so many seconds together."""
        taken = sorted(taken)
        return cls(
            taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1], len(taken) / seconds
        )


class CameraKeys(NamedTuple):
    """The public key of a central, and the secret key of each camera (Z85), by its edge id."""

    of_central: bytes
    of_edges: Mapping[str, bytes]


def requests(edge_id: str, lot: str = "C") -> Iterator[dict[str, Any]]:
    """What one camera asks for, without end; plates of one process begin with `lot`."""
    inside: deque[str] = deque()
    while True:
        if len(inside) <= _INSIDE:
            plate, direction = f"{lot}{next(_plates):08d}", "ENTRY"
            inside.append(plate)
        else:
            plate, direction = inside.popleft(), "EXIT"
        yield {
            "type": "BARRIER_OPEN",
            "edge_id": edge_id,
            "plate_id": plate,
            "direction": direction,
            "request_id": secrets.token_hex(8),
        }


def closed_loop(
    endpoint: str,
    count: int,
    edges: int,
    every_s: float = 0.0,
    keys: CameraKeys | None = None,
    going_on: Callable[[], bool] = lambda: True,
) -> Times:
    """`count` requests by `edges` cameras, each waiting for its answer, while `going_on()`.

    With `every_s` a camera waits that long between its requests.
    """
    context = zmq.Context()
    poller = zmq.Poller()
    cameras: dict[zmq.Socket[bytes], Iterator[dict[str, Any]]] = {}
    for number in range(edges):
        camera, edge_id = context.socket(zmq.REQ), f"edge-{number}"
        if keys is not None:
            secret = keys.of_edges[edge_id]
            camera.curve_secretkey, camera.curve_publickey = secret, zmq.curve_public(secret)
            camera.curve_serverkey = keys.of_central
        camera.connect(endpoint)
        poller.register(camera, zmq.POLLIN)
        cameras[camera] = requests(edge_id)
    asked: dict[zmq.Socket[bytes], float] = {}
    taken: list[float] = []

    def ask(camera: zmq.Socket[bytes]) -> None:
        request = orjson.dumps(next(cameras[camera]))
        asked[camera] = time.perf_counter()
        camera.send(request)

    begin = time.perf_counter()
    for camera in cameras:
        ask(camera)
    while len(taken) < count and (going_on() or not taken):
        for camera, _ in poller.poll():
            answer = orjson.loads(camera.recv())
            assert answer["success"], answer
            taken.append(time.perf_counter() - asked[camera])
            if every_s:
                time.sleep(every_s)
            if len(taken) + len(cameras) <= count:
                ask(camera)
    seconds = time.perf_counter() - begin
    context.destroy(linger=0)
    return Times.of(taken, seconds)
