"""Sites, uplinks and fleets as real processes, and looks into what they come to. No test here."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.support.harness import await_shown
from zparkd.client.edge import EdgeClient
from zparkd.testbed.loopback import LoopbackCentral, wait_for
from zparkd.testbed.servers import NatsServer

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
# What the fleet can't have as a central has it: numbers of its own, whose the event was there.
OWN_COLUMNS = ("id", "sync_status")


class Program:
    """One process of ours."""

    def __init__(self, log: Path, *command: str) -> None:
        self.log = log
        self._command = [sys.executable, "-m", *command]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Program":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=ENV)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """End it as a service is ended; its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(20)
        self.process = None
        return code


class Rig:
    def __init__(self, folder: Path, nats: NatsServer, database: str) -> None:
        self.folder, self.nats, self.database = folder, nats, database
        self.centrals: list[LoopbackCentral] = []
        self.programs: list[Program] = []

    def central(self, id: str, site: str = "lot-a", **uplink: str) -> LoopbackCentral:
        """A running central with an uplink configured."""
        servers = uplink.pop("servers", self.nats.url)
        keys = "".join(f'{key} = "{value}"\n' for key, value in uplink.items())
        limits = "\n[limits]\nedge_requests_per_s = 0\n"
        more = f'{limits}\n[uplink]\nservers = ["{servers}"]\n{keys}'
        made = LoopbackCentral(self.folder / site / id, id, site=site, more=more)
        made.start()
        self.centrals.append(made)
        return made

    def uplink(self, central: LoopbackCentral, every_s: float = 0.5) -> Program:
        config = str(central.config)
        return self._run("zparkd.uplink.command", "-c", config, "--every", str(every_s))

    def fleet(self, *more: str, url: str | None = None) -> Program:
        servers = ("--nats", url or self.nats.url, "--postgres", self.database)
        return self._run("zparkd.fleet.command", *servers, *more)

    def _run(self, module: str, *arguments: str) -> Program:
        log = self.folder / f"{module}-{len(self.programs)}.txt"
        program = Program(log, module, *arguments).start()
        self.programs.append(program)
        return program

    def ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of zparkd-fleet."""
        command = [sys.executable, "-m", "zparkd.fleet.command", *arguments]
        more = ["--postgres", self.database]
        return subprocess.run(
            [*command, *more], capture_output=True, text=True, env=ENV, timeout=60, check=False
        )

    def verify(self, site: str) -> dict[str, Any]:
        answer = self.ask("verify", site, "--json", "--wait", "10")
        assert answer.stdout, answer.stderr
        result: dict[str, Any] = json.loads(answer.stdout)
        assert result["success"] == (answer.returncode == 0)
        return result

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What a query of the fleet's database gives; nothing while it has no such table."""
        try:
            with psycopg.connect(self.database, row_factory=dict_row) as connection:
                return connection.execute(query.encode(), values or None).fetchall()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
            return []

    def stays(self, site: str) -> list[dict[str, Any]]:
        """The stays of a site as the fleet shows them, as far as a central can show them too."""
        rows = self.rows("SELECT * FROM stays WHERE site = %s", site)
        return [_shared(row, more=("site", "currency")) for row in _sorted(rows)]

    def await_events(self, site: str, count: int, timeout_s: float = 30) -> None:
        """Wait until so many events of a site are here."""
        query = "SELECT coalesce(sum(head), 0)::bigint AS n FROM streams WHERE site = %s"

        def held() -> bool:
            rows = self.rows(query, site)
            return bool(rows) and rows[0]["n"] >= count

        try:
            wait_for(f"{count} events of {site}", held, timeout_s)
        except Exception:
            for program in self.programs:
                print(program.log.name, program.log.read_text()[-3000:])
            raise

    def await_history(self, site: str, central: LoopbackCentral, timeout_s: float = 60) -> None:
        """Wait until the fleet and a central show the same stays.

        An event may be in the fleet before another central of its site has it.
        """
        until = time.monotonic() + timeout_s
        while (shown := self.stays(site)) != (held := history(central)):
            if time.monotonic() > until:
                assert shown == held
            time.sleep(0.05)

    def stop(self) -> None:
        for program in self.programs:
            program.kill()
        for central in self.centrals:
            if central.process is not None:
                central.stop()


def history(central: LoopbackCentral) -> list[dict[str, Any]]:
    """The stays of a site as a central shows them: by plain SQLite, with none of our code."""
    import sqlite3

    with sqlite3.connect(f"file:{central.database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        await_shown(central, connection)
        rows = [dict(row) for row in connection.execute("SELECT * FROM history")]
    return [_shared(row) for row in _sorted(rows)]


def events_held(central: LoopbackCentral) -> int:
    """How many events a central has."""
    return int(central.status()["events"])


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["entry_ms"], row["event_id"]))


def _shared(row: dict[str, Any], more: tuple[str, ...] = ()) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in (*OWN_COLUMNS, *more)}


def camera(central: LoopbackCentral, edge_id: str = "edge-1") -> EdgeClient:
    return EdgeClient(edge_id, [central.endpoint])
