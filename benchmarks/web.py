"""`python -m benchmarks.web`: what open pages and calls at the gateway cost a camera.

One central, one camera every 10 ms; quiet, and with 200 open pages and 300 requests a second at the
gateway, by turns. Who makes that load takes its share of this machine's processor, if with little
weight, which browsers elsewhere would not: the ratio is the worst case.
"""

import asyncio
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median

import click
import psutil

from benchmarks.load import Times, closed_loop
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

_LINES = 20  # connections that calls go over
_PATHS = (
    "/api/p2p/status",
    "/api/parking/history?limit=50",
    "/api/p2p/status",
    "/api/p2p/sync-state",
    "/api/parking/history?plate=C00000001",
    "/api/p2p/config",
)


async def _page(port: int) -> None:
    """An open page: takes what it is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while await reader.read(65536):
        pass


async def _calls(port: int, first: int, per_s: float, taken: list[float]) -> None:
    """Calls over one connection, at a steady pace."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.perf_counter() + first / per_s / _LINES
    for number in range(first, sys.maxsize):
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        path = _PATHS[number % len(_PATHS)]
        began = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = re.search(rb"content-length: (\d+)", head.lower())
        assert length is not None
        await reader.readexactly(int(length[1]))
        taken.append(time.perf_counter() - began)
        due += 1 / per_s


def _load(
    port: int, pages: int, per_s: float, over: Event, said: "multiprocessing.Queue[list[float]]"
) -> None:
    """Pages and calls until it is over; then says how long the calls took."""

    os.nice(10)

    async def run() -> None:
        taken: list[float] = []
        work = [asyncio.create_task(_page(port)) for _ in range(pages)]
        work += [asyncio.create_task(_calls(port, n, per_s / _LINES, taken)) for n in range(_LINES)]
        while not over.is_set():
            for one in work:
                if one.done():
                    one.result()
            await asyncio.sleep(0.05)
        for one in work:
            one.cancel()
        said.put(taken)

    asyncio.run(run())


def _gateway(central: LoopbackCentral) -> tuple[subprocess.Popen[bytes], int]:
    log = central.folder / "web.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(
                    "nice",
                    "-n",
                    "5",
                    sys.executable,
                    "-m",
                    "zparkd.web.command",
                ),  # as its unit does
                *("-c", str(central.config), "--port", "0"),
            ],
            stdout=out,
            stderr=out,
        )
    wait_for("the gateway listens", lambda: re.search(r":(\d+)/", log.read_text()))
    port = re.search(r":(\d+)/", log.read_text())
    assert port is not None
    return process, int(port[1])


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--events", default=600, show_default=True, help="Entries of each half of a round.")
@click.option("--pages", default=200, show_default=True)
@click.option("--per-s", default=300.0, show_default=True, help="Calls a second.")
def main(rounds: int, events: int, pages: int, per_s: float) -> None:
    """Measure one camera beside a quiet gateway, and beside a busy one."""
    quiet: list[Times] = []
    busy: list[Times] = []
    calls: list[float] = []
    web_cpu = daemon_cpu = busy_s = 0.0
    with tempfile.TemporaryDirectory(prefix="zp-") as name, LoopbackSite(Path(name), 1) as site:
        [central] = site.centrals
        site.start()
        process, port = _gateway(central)
        assert central.process is not None
        web, daemon = psutil.Process(process.pid), psutil.Process(central.process.pid)
        try:
            closed_loop(central.endpoint, 200, 1, 0.01)
            for _ in range(rounds):
                quiet.append(closed_loop(central.endpoint, events, 1, 0.01))
                over, said = multiprocessing.Event(), multiprocessing.Queue()
                load = multiprocessing.Process(target=_load, args=(port, pages, per_s, over, said))
                load.start()
                time.sleep(1)  # all pages are open by then
                before = time.perf_counter(), _cpu(web), _cpu(daemon)
                busy.append(closed_loop(central.endpoint, events, 1, 0.01))
                busy_s += time.perf_counter() - before[0]
                web_cpu += _cpu(web) - before[1]
                daemon_cpu += _cpu(daemon) - before[2]
                over.set()
                calls += said.get()
                load.join()
        finally:
            process.terminate()
            process.wait(10)
    calls.sort()
    print(f"{pages} open pages, {len(calls) / (busy_s + rounds):.0f} calls/s, {rounds} rounds")
    for figure in ("p50", "p99"):
        one, two = (median(getattr(it, figure) for it in half) for half in (quiet, busy))
        print(f"ack {figure}: quiet {one * 1e3:.2f} ms, busy {two * 1e3:.2f} ms, {two / one:.2f}")
    p50, p99 = calls[len(calls) // 2], calls[len(calls) * 99 // 100]
    print(f"calls p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")
    print(f"processor while busy: gateway {web_cpu / busy_s:.0%}, daemon {daemon_cpu / busy_s:.0%}")


if __name__ == "__main__":
    main()
