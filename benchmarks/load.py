"""Cameras that ask as fast as they are answered, or at a steady pace."""

import itertools
import time
from collections.abc import Mapping
from typing import NamedTuple

import orjson
import zmq

_plates = itertools.count()


class Times(NamedTuple):
    """How long answers took (seconds), and how many came a second."""

    p50: float
    p99: float
    per_s: float


class CameraKeys(NamedTuple):
    """The public key of a central, and the secret key of each camera (Z85), by its edge id."""

    of_central: bytes
    of_edges: Mapping[str, bytes]


def closed_loop(
    endpoint: str, count: int, edges: int, every_s: float = 0.0, keys: CameraKeys | None = None
) -> Times:
    """`count` entries of new vehicles by `edges` cameras, each waiting for its answer.

    With `every_s` a camera waits that long between its requests.
    """
    context = zmq.Context()
    poller = zmq.Poller()
    names: dict[zmq.Socket[bytes], str] = {}
    for number in range(edges):
        camera, edge_id = context.socket(zmq.REQ), f"edge-{number}"
        if keys is not None:
            secret = keys.of_edges[edge_id]
            camera.curve_secretkey, camera.curve_publickey = secret, zmq.curve_public(secret)
            camera.curve_serverkey = keys.of_central
        camera.connect(endpoint)
        poller.register(camera, zmq.POLLIN)
        names[camera] = edge_id
    asked: dict[zmq.Socket[bytes], float] = {}
    taken: list[float] = []

    def ask(camera: zmq.Socket[bytes]) -> None:
        number = next(_plates)
        request = {
            "type": "BARRIER_OPEN",
            "edge_id": names[camera],
            "plate_id": f"{number:09d}",
            "direction": "ENTRY",
            "request_id": f"r{number}",
        }
        asked[camera] = time.perf_counter()
        camera.send(orjson.dumps(request))

    begin = time.perf_counter()
    for camera in names:
        ask(camera)
    while len(taken) < count:
        for camera, _ in poller.poll():
            answer = orjson.loads(camera.recv())
            assert answer["success"], answer
            taken.append(time.perf_counter() - asked[camera])
            if every_s:
                time.sleep(every_s)
            if len(taken) + len(names) <= count:
                ask(camera)
    per_s = len(taken) / (time.perf_counter() - begin)
    context.destroy(linger=0)
    taken.sort()
    return Times(taken[len(taken) // 2], taken[len(taken) * 99 // 100], per_s)
