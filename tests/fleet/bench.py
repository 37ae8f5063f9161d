"""What the fleet takes: simulated sites, through real servers, beside COPY of the same rows.

python -m tests.fleet.bench [--sites 100] [--events 200000] [--fleets 1]
"""

import argparse
import asyncio
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nats
import psutil
import psycopg

from tests.fleet.load import SimulatedSite
from tests.fleet.rig import ENV
from zparkd.core.fleet import (
    SiteHeads,
    event_subject,
    heads_subject,
    message_id,
    write_event,
    write_heads,
)
from zparkd.core.site import Told
from zparkd.fleet.consumer import ensure_stream
from zparkd.testbed.servers import NatsServer, PostgresServer

Prepared = list[tuple[str, bytes, str]]


def prepare(sites: int, events: int) -> tuple[Prepared, list[SimulatedSite]]:
    """The messages of all sites, mixed as they would come."""
    made = [SimulatedSite(f"lot-{n}", 1) for n in range(sites)]
    queues = []
    for site in made:
        queue = []
        for event in site.events(events // sites):
            subject = event_subject(site.name, event.position.origin, event.kind)
            data = write_event(event.skeleton, event.personal_part, Told.FULL, None)
            queue.append((subject, data, message_id(site.name, event.position)))
        queues.append(queue)
    mixed: Prepared = []
    while any(queues):
        for queue in queues:
            mixed += queue[:5]
            del queue[:5]
    return mixed, made


async def publish(url: str, messages: Prepared, sites: list[SimulatedSite]) -> float:
    """Publish all; seconds until JetStream has acknowledged them."""
    nc = await nats.connect(url)
    js = nc.jetstream(publish_async_max_pending=4_000)
    await ensure_stream(js, "zparkd", 7)
    began = time.monotonic()
    for subject, data, id in messages:
        await js.publish_async(subject, data, headers={"Nats-Msg-Id": id})
    await js.publish_async_completed()
    took = time.monotonic() - began
    await hello(nc, sites)
    await nc.close()
    return took


async def hello(nc: nats.NATS, sites: list[SimulatedSite]) -> None:
    """Let the fleet know these sites."""
    for site in sites:
        said = SiteHeads(1, site.name, "central-1", "Asia/Ho_Chi_Minh", Told.FULL, [])
        while True:
            try:
                await nc.request(heads_subject(site.name), write_heads(said), timeout=1)
                break
            except (nats.errors.Error, TimeoutError):
                await asyncio.sleep(0.1)


def cpu_s(pid: int) -> float:
    """The CPU time of a process and of those that it started, in seconds."""
    top = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in [top, *top.children(recursive=True)])


def copied(dsn: str) -> float:
    """Seconds for COPY of the same rows into tables of the same form, in one transaction."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        took = 0.0
        for table in ("events", "stay"):
            buffer = io.BytesIO()
            with (
                connection.cursor() as run,
                run.copy(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT BINARY)") as out,
            ):
                for block in out:
                    buffer.write(block)
            connection.execute(f"CREATE TABLE copy_{table} (LIKE {table} INCLUDING ALL)")
            began = time.monotonic()
            with (
                connection.cursor() as run,
                run.copy(f"COPY copy_{table} FROM STDIN (FORMAT BINARY)") as into,
            ):
                into.write(buffer.getvalue())
            took += time.monotonic() - began
        return took


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--fleets", type=int, default=1)
    asked = parser.parse_args()
    messages, sites = prepare(asked.sites, asked.events)
    folder = Path(tempfile.mkdtemp(prefix="zparkd-bench-"))
    nats_server, postgres = NatsServer(folder / "nats").start(), PostgresServer().start()
    fleets: list[subprocess.Popen[bytes]] = []
    try:
        servers = ["--nats", nats_server.url, "--postgres", postgres.dsn]
        command = [sys.executable, "-m", "zparkd.fleet.command", *servers]
        # A first fleet makes the stream and the tables; the load waits in JetStream for the others.
        first = subprocess.Popen(command, env=ENV)
        took = asyncio.run(publish(nats_server.url, messages, sites[:1]))
        print(f"JetStream took {len(messages) / took:,.0f} events/s")
        first.terminate()
        first.wait()
        size = sum(len(data) for _, data, _ in messages) / len(messages)
        fleets = [subprocess.Popen(command, env=ENV) for _ in range(asked.fleets)]
        with psycopg.connect(postgres.dsn, autocommit=True) as connection:
            query = "SELECT coalesce(sum(head), 0) FROM streams"
            before = held = int(connection.execute(query).fetchone()[0])
            began = time.monotonic()
            asyncio.run(_hello(nats_server.url, sites))
            while held < len(messages):
                time.sleep(0.1)
                held = int(connection.execute(query).fetchone()[0])
            took = time.monotonic() - began
            rate = (len(messages) - before) / took
            used = {
                "zparkd-fleet": sum(cpu_s(fleet.pid) for fleet in fleets),
                "PostgreSQL": cpu_s(postgres.process.pid) if postgres.process else 0,
                "nats-server": cpu_s(nats_server.process.pid) if nats_server.process else 0,
            }
            inside = connection.execute("SELECT count(*) FROM stay WHERE closed_by IS NULL")
            assert inside.fetchone()[0] == sum(site.inside for site in sites)
            revenue = connection.execute("SELECT sum(fee)::bigint FROM stay").fetchone()[0]
            assert revenue == sum(site.revenue for site in sites)
            stored = connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]
        print(f"the fleet took {rate:,.0f} events/s in {asked.fleets} processes")
        for name, seconds in used.items():
            print(f"{name}: {seconds / len(messages) * 1e6:.0f} us of CPU an event")
        copy = copied(postgres.dsn)
        copy_rate = len(messages) / copy
        print(f"COPY of its rows {copy_rate:,.0f} events/s: ratio {rate / copy_rate:.2f}")
        print(
            f"{size:.0f} bytes a message, {stored / len(messages):.0f} bytes an event in PostgreSQL"
        )
    finally:
        for fleet in fleets:
            fleet.terminate()
            fleet.wait()
        nats_server.stop()
        postgres.stop()


async def _hello(url: str, sites: list[SimulatedSite]) -> None:
    nc = await nats.connect(url)
    await hello(nc, sites)
    await nc.close()


if __name__ == "__main__":
    main()
