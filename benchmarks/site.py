"""What zparkd does: real centrals on this machine, asked like any other.

Any commit that speaks the same protocol can be measured: its code runs the centrals, and the code
beside this file asks them. Times in seconds, rates in events a second.
"""

import concurrent.futures
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

import orjson
import psutil
import zmq

from benchmarks.load import CameraKeys, Times, closed_loop, requests
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

UNLIMITED = "\n[limits]\nedge_requests_per_s = 0\n"
CATCH_UP = 20_000
EDGES = 32
_FIRST = 50  # answers that pay for connections and first uses, and are not counted
_SEEN = 200
_IDLE_S = 5.0

Figures: TypeAlias = dict[str, float]


@contextmanager
def running_site(
    folder: Path, count: int, code: Path, mode: SecurityMode = SecurityMode.PLAIN
) -> Iterator[LoopbackSite]:
    """A running site of this code, without a limit on how often an edge asks."""
    site = LoopbackSite(folder, count, mode=mode)
    for central in site.centrals:
        central.code = code
        central.config.write_text(central.config.read_text() + UNLIMITED)
        if mode is SecurityMode.CURVE:
            central.admits(*(f"edge-{number}" for number in range(EDGES)))
    with site:
        site.start()
        site.wait_connected(60)
        yield site


class Used(NamedTuple):
    """What a process has used so far: processor (s), bytes given to the disk, calls that write."""

    processor: float
    bytes: float
    writes: float

    @classmethod
    def by(cls, central: LoopbackCentral | None) -> "Used":
        """By a central; by this process where it is None."""
        process = psutil.Process(_pid(central) if central is not None else None)
        times, io = process.cpu_times(), process.io_counters()
        return cls(times.user + times.system, io.write_bytes, io.write_count)


def three(folder: Path, code: Path, acks: int) -> Figures:
    """A site of three, all figures in one life of it."""
    with running_site(folder, 3, code) as site:
        first, second, last = site.centrals
        closed_loop(first.endpoint, _FIRST, 1)
        one = closed_loop(first.endpoint, acks, 1)
        paced = closed_loop(first.endpoint, acks // 4, 1, 0.01)
        site.wait_equal(60)
        busy, used = _busy(site, acks * 5)
        seen = _seen(first, second)
        return {
            "ack p50": one.p50,
            "ack p99": one.p99,
            "paced p50": paced.p50,
            "acks": busy.per_s,
            **used,
            "seen": seen,
            "idle": _idle(site.centrals),
            "memory": max(psutil.Process(_pid(c)).memory_info().rss / 1e6 for c in (first, second)),
            "catch-up": _catch_up(first, last),
            **_with_cameras(first, last),
        }


def _busy(site: LoopbackSite, acks: int) -> tuple[Times, Figures]:
    """What every event costs under many edges, until all hold it."""
    who = [*site.centrals, None]
    before = [Used.by(each) for each in who]
    busy = closed_loop(site.centrals[0].endpoint, acks, EDGES)
    site.wait_equal(60)
    after = [Used.by(each) for each in who]
    spent = [(b.processor - a.processor) / acks for a, b in zip(before, after, strict=True)]
    return busy, {
        "processor, acceptor": spent[0],
        "processor, peer": (spent[1] + spent[2]) / 2,
        "processor, cameras": spent[3],
        "bytes": (after[0].bytes - before[0].bytes) / acks / 1e3,
        "writes": (after[0].writes - before[0].writes) / acks,
    }


def _seen(here: LoopbackCentral, there: LoopbackCentral) -> float:
    """From asking one central until the event stands in another's log (p50)."""
    context = zmq.Context()
    camera = context.socket(zmq.REQ)
    camera.connect(here.endpoint)
    delays = []
    with closing(sqlite3.connect(f"file:{there.database}?mode=ro", uri=True)) as reader:
        streams = "SELECT max(no) FROM streams WHERE origin = ?"
        (no,) = reader.execute(streams, (here.id,)).fetchone()
        held, of_it = "SELECT max(at) FROM events WHERE at >> 40 = ? AND at > ?", no << 40
        (head,) = reader.execute(held, (no, of_it)).fetchone()
        asks = requests("edge-0")
        for _ in range(_SEEN):
            request = orjson.dumps(next(asks))
            begin = time.perf_counter()
            camera.send(request)
            camera.recv()
            while (now := reader.execute(held, (no, head)).fetchone()[0]) is None:
                time.sleep(0.0001)
            delays.append(time.perf_counter() - begin)
            head = now
    context.destroy(linger=0)
    return sorted(delays)[_SEEN // 2]


def _idle(centrals: list[LoopbackCentral]) -> float:
    """The share of one core that a central takes when nothing happens, in percent."""
    processes = [psutil.Process(_pid(central)) for central in centrals]
    for process in processes:
        process.cpu_percent()
    time.sleep(_IDLE_S)
    return float(max(process.cpu_percent() for process in processes))


def _catch_up(
    source: LoopbackCentral, away: LoopbackCentral, keys: CameraKeys | None = None
) -> float:
    """Events a second that a central fetches after it was away, its start included."""
    wanted = _miss(source, away, keys)
    begin = time.perf_counter()
    away.launch()
    wait_for("it caught up", lambda: _holds(away, wanted), 120)
    return CATCH_UP / (time.perf_counter() - begin)


def _miss(source: LoopbackCentral, away: LoopbackCentral, keys: CameraKeys | None = None) -> int:
    """Have a central miss events; how many there are then."""
    away.kill()
    closed_loop(source.endpoint, CATCH_UP, EDGES, keys=keys)
    held: int = source.status()["events"]
    return held


def _holds(central: LoopbackCentral, wanted: int) -> bool:
    return central.answers() and central.status()["events"] >= wanted


def _with_cameras(source: LoopbackCentral, away: LoopbackCentral) -> Figures:
    """How long cameras wait while a central catches up: at who serves it, and at itself."""
    wanted = _miss(source, away)
    there = threading.Event()
    away.launch()
    wait_for("it answers", away.answers, 60)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(closed_loop, c.endpoint, 10**6, 1, 0.005, None, lambda: not there.is_set())
            for c in (source, away)
        ]
        wait_for("it caught up", lambda: _holds(away, wanted), 120)
        there.set()
        serving, catching = [job.result() for job in jobs]
    return {
        "serving p50": serving.p50,
        "serving longest": serving.longest,
        "catching longest": catching.longest,
    }


def with_keys(folder: Path, code: Path, acks: int) -> Figures:
    """What a site with keys and signatures does, for the comparison with one without."""
    with running_site(folder, 3, code, SecurityMode.CURVE) as site:
        first, _, last = site.centrals
        assert first.public_key is not None
        names = [f"edge-{number}" for number in range(EDGES)]
        secrets = {name: first.key_of(name).read_bytes().strip() for name in names}
        keys = CameraKeys(first.public_key.encode(), secrets)
        closed_loop(first.endpoint, _FIRST, 1, keys=keys)
        one = closed_loop(first.endpoint, acks, 1, keys=keys)
        busy = closed_loop(first.endpoint, acks * 5, EDGES, keys=keys)
        site.wait_equal(60)
        return {
            "ack p50, keys": one.p50,
            "acks, keys": busy.per_s,
            "catch-up, keys": _catch_up(first, last, keys),
        }


def everywhere(folder: Path, code: Path, acks: int, count: int) -> Figures:
    """Acknowledged events a second where every central has edges of its own, at once."""
    with (
        running_site(folder, count, code) as site,
        concurrent.futures.ProcessPoolExecutor(2) as pool,
    ):
        ends = [central.endpoint for central in site.centrals]
        halves = {"A": ends[::2], "B": ends[1::2]}
        begin = time.perf_counter()
        jobs = [pool.submit(_spread, half, acks // 2, lot) for lot, half in halves.items() if half]
        done = sum(job.result() for job in jobs)
        return {f"{count} centrals": done / (time.perf_counter() - begin)}


def _spread(endpoints: list[str], count: int, lot: str) -> int:
    """Four cameras at each of several centrals, from one process; how many were answered."""
    context = zmq.Context()
    poller = zmq.Poller()
    cameras = {}
    for endpoint in endpoints:
        for number in range(4):
            camera = context.socket(zmq.REQ)
            camera.connect(endpoint)
            poller.register(camera, zmq.POLLIN)
            cameras[camera] = requests(f"edge-{number}", lot)
    done = 0
    for camera, asks in cameras.items():
        camera.send(orjson.dumps(next(asks)))
    while done < count:
        for camera, _ in poller.poll():
            assert orjson.loads(camera.recv())["success"]
            done += 1
            camera.send(orjson.dumps(next(cameras[camera])))
    context.destroy(linger=0)
    return done


def start(folder: Path, code: Path) -> Figures:
    """From launch until `status` is answered, of one central without a history."""
    site = LoopbackSite(folder, 1)
    (central,) = site.centrals
    central.code = code
    with site:
        central.start()
        central.stop()
        begin = time.perf_counter()
        central.start()
        return {"start": time.perf_counter() - begin}


def _pid(central: LoopbackCentral) -> int:
    assert central.process is not None
    return central.process.pid
