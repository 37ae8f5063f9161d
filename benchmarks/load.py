"""Cameras that ask as fast as they are answered, or at a steady pace."""

import itertools
import time
from typing import NamedTuple

import orjson
import zmq

_plates = itertools.count()


class Times(NamedTuple):
    """How long answers took (seconds), and how many came a second."""

    p50: float
    p99: float
    per_s: float


def closed_loop(endpoint: str, count: int, edges: int, every_s: float = 0.0) -> Times:
    """`count` entries of new vehicles by `edges` cameras, each waiting for its answer.

    With `every_s` a camera waits that long between its requests.
    """
    context = zmq.Context()
    poller = zmq.Poller()
    names: dict[zmq.Socket[bytes], str] = {}
    for number in range(edges):
        camera = context.socket(zmq.REQ)
        camera.connect(endpoint)
        poller.register(camera, zmq.POLLIN)
        names[camera] = f"edge-{number}"
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
