"""`bin/demo --fleet`: two car parks, real servers of NATS and PostgreSQL, and one sum.

It ends with 0 only if the fleet shows of each site what the site shows itself.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from zparkd.testbed.loopback import LoopbackCentral, NeverHappened, wait_for
from zparkd.testbed.servers import NatsServer, PostgresServer, missing_servers

_SITES = ("lot-a", "lot-b")
_CARS = 12
_FEE = 25_000


def main() -> None:
    """Show two sites in one PostgreSQL, after a power cut of NATS."""
    missing = missing_servers()
    if missing is not None:
        sys.exit(f"the demo needs both servers: {missing}")
    with tempfile.TemporaryDirectory(prefix="zparkd-demo-") as folder, ExitStack() as ends:
        try:
            good = _show(Path(folder), ends)
        except NeverHappened as fault:
            print(f"\nthe demo failed: {fault}")
            good = False
    sys.exit(0 if good else 1)


def _show(folder: Path, ends: ExitStack) -> bool:
    print("1. nats-server and PostgreSQL start, each with a folder of its own, and zparkd-fleet.")
    nats = NatsServer(folder / "nats").start()
    ends.callback(nats.stop)
    postgres = PostgresServer().start()
    ends.callback(postgres.stop)
    servers = ("--nats", nats.url, "--postgres", postgres.dsn)
    _run(ends, folder, "zparkd.fleet.command", *servers)

    print("2. Two car parks start, each with a central and its uplink.")
    centrals = []
    for site in _SITES:
        uplink = f'\n[uplink]\nservers = ["{nats.url}"]\n'
        central = LoopbackCentral(folder / site, "central-1", site=site, more=uplink)
        central.start()
        ends.callback(central.stop)
        _run(ends, folder, "zparkd.uplink.command", "-c", str(central.config), "--every", "1")
        centrals.append(central)

    print(f"3. {_CARS} cars enter each, half of them leave; meanwhile NATS has its power cut.")
    for central in centrals:
        with central.edge("gate-1") as edge:
            for number in range(_CARS):
                plate_id = f"29A{10_000 + number}"
                assert edge.open_barrier(plate_id, direction="ENTRY")["success"]
                if number == _CARS // 2 and central is centrals[0]:
                    nats.kill()
                if number % 2:
                    assert edge.open_barrier(plate_id, direction="EXIT")["success"]
    print("   Every barrier opened. NATS comes back.")
    nats.start()

    print("4. The fleet catches up.")
    events = len(_SITES) * (_CARS + _CARS // 2)
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:

        def held() -> int:
            row = connection.execute("SELECT coalesce(sum(head), 0) FROM streams").fetchone()
            return int(row[0]) if row is not None else 0

        wait_for(f"{events} events in PostgreSQL", lambda: held() == events, 90)
        rows = connection.execute(
            "SELECT site, sum(revenue)::bigint FROM revenue GROUP BY site ORDER BY site"
        ).fetchall()
        inside = connection.execute("SELECT sum(inside)::bigint FROM occupancy").fetchone()
    for site, revenue in rows:
        print(f"   {site}: {revenue:,} VND")
    total = sum(revenue for _, revenue in rows)
    print(f"   together: {total:,} VND, {inside[0] if inside is not None else 0} vehicles inside")

    print("5. Each site's own sum of its stays against what PostgreSQL has:")
    equal = [_verified(site, postgres.dsn) for site in _SITES]
    return all(equal) and total == len(_SITES) * (_CARS // 2) * _FEE


def _verified(site: str, dsn: str) -> bool:
    command = [sys.executable, "-P", "-m", "zparkd.fleet.command", "verify", site, "--json"]
    done = subprocess.run(
        [*command, "--postgres", dsn], capture_output=True, text=True, check=False, env=_env()
    )
    answer: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"why": done.stderr}
    good = done.returncode == 0
    print(f"   {site}: {answer.get('stays')} stays, {'equal' if good else answer.get('why')}")
    return good


def _run(ends: ExitStack, folder: Path, module: str, *arguments: str) -> None:
    log = (folder / f"{module}.log").open("ab")
    ends.callback(log.close)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments], stdout=log, stderr=log, env=_env()
    )

    def end() -> None:
        process.terminate()
        process.wait()

    ends.callback(end)


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


if __name__ == "__main__":
    main()
