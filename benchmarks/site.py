"""What zparkd does: real centrals on this machine, asked like any other. Times in seconds."""

import concurrent.futures
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

import orjson
import psutil
import zmq

from benchmarks.load import CameraKeys, Times, closed_loop
from zparkd.client import EdgeClient
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

UNLIMITED = "\n[limits]\nedge_requests_per_s = 0\n"
CATCH_UP = 20_000
EDGES = 32


class SiteFigures(NamedTuple):
    """One site of `centrals`, all measured in one life of it."""

    centrals: int
    closed: Times
    paced: Times
    busy: Times
    replication_p50: float
    catch_up_per_s: float
    rss_mb: float
    idle_cpu: float


def make_site(folder: Path, count: int, mode: SecurityMode = SecurityMode.PLAIN) -> LoopbackSite:
    """A running site without a limit on how often an edge asks."""
    site = LoopbackSite(folder, count, mode=mode)
    for central in site.centrals:
        central.config.write_text(central.config.read_text() + UNLIMITED)
        if mode is SecurityMode.CURVE:
            central.admits(*(f"edge-{number}" for number in range(EDGES)))
    try:
        site.start()
        site.wait_connected(60)
    except BaseException:
        site.__exit__(None, None, None)
        raise
    return site


def measure(folder: Path, count: int, acks: int) -> SiteFigures:
    """All figures of a site of this size."""
    with make_site(folder, count) as site:
        first, last = site.centrals[0], site.centrals[-1]
        closed_loop(first.endpoint, 50, 1)
        closed = closed_loop(first.endpoint, acks, 1)
        paced = closed_loop(first.endpoint, acks // 4, 1, 0.01)
        busy = closed_loop(first.endpoint, acks * 5, EDGES)
        site.wait_equal(60)
        replication = _replication_p50(first, site.centrals[1], 200)
        idle_cpu = _idle_cpu(site.centrals, 5.0)
        catch_up = _catch_up(first, last)
        rss = [psutil.Process(_pid(c)).memory_info().rss / 1e6 for c in site.centrals]
        return SiteFigures(
            count, closed, paced, busy, replication, catch_up, max(rss[:-1]), idle_cpu
        )


class KeyFigures(NamedTuple):
    """A site of three with keys."""

    ack_p50: float
    acks_per_s: float
    catch_up_per_s: float


def measure_keys(folder: Path, acks: int) -> KeyFigures:
    """What a site with keys and signatures does, for the comparison with one without."""
    with make_site(folder, 3, SecurityMode.CURVE) as site:
        first, last = site.centrals[0], site.centrals[-1]
        keys = _keys_of(first)
        closed_loop(first.endpoint, 50, 1, keys=keys)
        one = closed_loop(first.endpoint, acks, 1, keys=keys)
        busy = closed_loop(first.endpoint, acks * 5, EDGES, keys=keys)
        site.wait_equal(60)
        return KeyFigures(one.p50, busy.per_s, _catch_up(first, last, keys))


def _keys_of(central: LoopbackCentral) -> CameraKeys:
    assert central.public_key is not None
    names = [f"edge-{number}" for number in range(EDGES)]
    secrets = {name: central.key_of(name).read_bytes().strip() for name in names}
    return CameraKeys(central.public_key.encode(), secrets)


def everywhere_per_s(folder: Path, count: int, acks: int) -> float:
    """Acknowledged events a second where every central has edges of its own, at once."""
    with make_site(folder, count) as site, concurrent.futures.ProcessPoolExecutor(2) as pool:
        begin = time.perf_counter()
        jobs = [
            pool.submit(_spread, [c.endpoint for c in half], acks // 2, number)
            for number, half in enumerate((site.centrals[::2], site.centrals[1::2]))
        ]
        done = sum(job.result() for job in jobs)
        return done / (time.perf_counter() - begin)


def _spread(endpoints: list[str], count: int, number: int) -> int:
    """Entries at several centrals, four cameras each, from one process."""
    context = zmq.Context()
    poller = zmq.Poller()
    cameras = []
    for endpoint in endpoints:
        for _ in range(4):
            camera = context.socket(zmq.REQ)
            camera.connect(endpoint)
            poller.register(camera, zmq.POLLIN)
            cameras.append(camera)
    sent = done = 0

    def ask(camera: "zmq.Socket[bytes]") -> None:
        nonlocal sent
        sent += 1
        plate = f"{number}{sent:08d}"
        request = {"type": "BARRIER_OPEN", "edge_id": "e", "plate_id": plate, "request_id": plate}
        camera.send(orjson.dumps(request))

    for camera in cameras:
        ask(camera)
    while done < count:
        for camera, _ in poller.poll():
            assert orjson.loads(camera.recv())["success"]
            done += 1
            ask(camera)
    context.destroy(linger=0)
    return done


def _pid(central: LoopbackCentral) -> int:
    assert central.process is not None
    return central.process.pid


def _replication_p50(here: LoopbackCentral, there: LoopbackCentral, count: int) -> float:
    """From asking one central until another's database shows it."""
    reader = sqlite3.connect(f"file:{there.database}?mode=ro", uri=True)
    held = "SELECT coalesce(max(no), 0) FROM arrivals"
    delays = []
    with EdgeClient("bench", [here.endpoint]) as camera:
        for number in range(count):
            plate = f"R{number:06d}"
            (before,) = reader.execute(held).fetchone()
            begin = time.perf_counter()
            camera.open_barrier(plate, direction="ENTRY")
            while reader.execute(held).fetchone() == (before,):
                time.sleep(0.0001)
            delays.append(time.perf_counter() - begin)
    reader.close()
    return sorted(delays)[count // 2]


def _idle_cpu(centrals: list[LoopbackCentral], seconds: float) -> float:
    """The share of one core that a central takes when nothing happens, in percent."""
    processes = [psutil.Process(_pid(central)) for central in centrals]
    for process in processes:
        process.cpu_percent()
    time.sleep(seconds)
    return max(process.cpu_percent() for process in processes)


def _catch_up(
    source: LoopbackCentral, away: LoopbackCentral, keys: CameraKeys | None = None
) -> float:
    """Events a second that a central fetches after it was away, its start included."""
    away.kill()
    closed_loop(source.endpoint, CATCH_UP, EDGES, keys=keys)
    wanted = source.status()["events"]
    begin = time.perf_counter()
    away.start()
    wait_for("it caught up", lambda: away.status()["events"] == wanted, 120)
    return CATCH_UP / (time.perf_counter() - begin)


class FullFigures(NamedTuple):
    """One central that holds many events already, beside an empty one."""

    events: int
    start_s: float
    empty_start_s: float
    ack_p50: float
    empty_ack_p50: float
    lookup_p50: float
    empty_lookup_p50: float


def measure_full(folder: Path, events: int) -> FullFigures:
    """Start, ack and lookup with many events, and with none."""
    empty = _one_central(folder / "empty", 0)
    full = _one_central(folder / "full", events)
    return FullFigures(events, full[0], empty[0], full[1], empty[1], full[2], empty[2])


def _one_central(folder: Path, events: int) -> tuple[float, float, float]:
    with LoopbackSite(folder, 1) as site:
        (central,) = site.centrals
        central.config.write_text(central.config.read_text() + UNLIMITED)
        central.start()
        if events:
            closed_loop(central.endpoint, events, 128)
        central.stop()
        begin = time.perf_counter()
        central.start()
        start_s = time.perf_counter() - begin
        closed_loop(central.endpoint, 50, 1)
        ack = closed_loop(central.endpoint, 1000, 1).p50
        lookups = []
        with EdgeClient("bench", [central.endpoint]) as camera:
            for number in range(500):
                begin = time.perf_counter()
                camera.detect(f"{number:09d}")
                lookups.append(time.perf_counter() - begin)
        return start_s, ack, sorted(lookups)[250]
