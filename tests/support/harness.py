"""What the end-to-end tests share: reading what a central shows, and asking it a lot at once."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import zmq

from zparkd.client.edge import NoAnswer
from zparkd.testbed.loopback import LOCAL_COLUMNS, LoopbackCentral, wait_for

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0  # the machine may be busy; a test that fails waits this long, no other does
# Tests wait for heartbeats, and start many centrals whose cameras ask quicker than real ones.
QUICK = "\n[bus]\nheartbeat_s = 0.2\npeer_timeout_s = 2.0\n"
NO_LIMIT = f"{QUICK}\n[limits]\nedge_requests_per_s = 0\n"
# For tests in which no peer may be missed: a busy machine holds a process up for seconds.
STEADY = "\n[bus]\nheartbeat_s = 0.2\npeer_timeout_s = 20.0\n"

Row = dict[str, Any]
Answer = dict[str, Any]


def promised(seconds: float) -> float:
    """How long a promise may take here and now: longer where others want the processors too.

    On a machine with as much to do as it has processors, or less, the time itself.
    """
    return seconds * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1) - 1)


# --- what a central shows ---------------------------------------------------------------------


def rows(central: LoopbackCentral) -> list[Row]:
    """The whole history as plain SQL shows it, in the order of `event_id`."""
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        await_shown(central, connection)
        found = [dict(row) for row in connection.execute("SELECT * FROM history")]
    return sorted(found, key=lambda row: row["event_id"])


def await_shown(central: LoopbackCentral, connection: sqlite3.Connection) -> None:
    """Wait until the stays show all that is held now, as a daemon at work has it soon after."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'projected'").fetchone():
        return  # of a version that writes both at once
    (held,) = connection.execute("SELECT coalesce(max(no), 0) FROM arrivals").fetchone()

    def shown() -> bool:
        (up_to,) = connection.execute("SELECT up_to FROM projected").fetchone()
        return bool(up_to >= held) or central.process is None or central.process.poll() is not None

    wait_for("the stays show all events", shown, PATIENCE_S)


def shared(central: LoopbackCentral) -> list[Row]:
    """The history but for what centrals of a healed site may differ in."""
    return [{k: v for k, v in row.items() if k not in LOCAL_COLUMNS} for row in rows(central)]


def wait_equal(
    centrals: Sequence[LoopbackCentral],
    what: str = "all histories are equal",
    when: Callable[[list[Row]], object] = bool,
    timeout_s: float = PATIENCE_S,
) -> list[Row]:
    """Wait until all show the same history and it is as wanted; the history."""
    seen: list[list[Row]] = []

    def equal() -> bool:
        seen[:] = [shared(central) for central in centrals]
        return bool(when(seen[0])) and all(history == seen[0] for history in seen)

    wait_for(what, equal, timeout_s)
    return seen[0]


def wait_events(centrals: Iterable[LoopbackCentral], count: int) -> None:
    """Wait until each of these holds so many events."""
    for central in centrals:
        wait_for(
            f"{central.id} holds {count} events",
            lambda central=central: central.status()["events"] == count,
            PATIENCE_S,
        )


def wait_connected(*centrals: LoopbackCentral, timeout_s: float = PATIENCE_S) -> None:
    """Wait until each of these hears all its peers and is heard by them."""

    def connected() -> bool:
        states = [central.status() for central in centrals]
        return all(state["connected_peers"] == state["total_peers"] for state in states)

    names = ", ".join(central.id for central in centrals)
    wait_for(f"{names} connected", connected, timeout_s)


def peer_row(central: LoopbackCentral, peer_id: str) -> Row:
    """What `status` says of a peer."""
    peers = {row["peer_id"]: row for row in central.status()["peers"]}
    return peers[peer_id]


def problems(central: LoopbackCentral) -> set[str]:
    """The codes of all problems that `status` lists."""
    return {problem["code"] for problem in central.status()["problems"]}


def alive(*centrals: LoopbackCentral) -> bool:
    """Whether the processes of all these run."""
    return all(c.process is not None and c.process.poll() is None for c in centrals)


# --- asking it --------------------------------------------------------------------------------


def ask(central: LoopbackCentral, edge_id: str, kind: str, **fields: object) -> Answer:
    """One request of a camera."""
    with central.edge(edge_id) as camera:
        return camera.request(kind, fields)


def enter(central: LoopbackCentral, plate: str, edge_id: str = "in-1", **fields: object) -> Answer:
    """Let a vehicle in and close the barrier behind it; the answer to the open."""
    with central.edge(edge_id) as camera:
        answer = camera.request("BARRIER_OPEN", {"plate_id": plate, "direction": "ENTRY", **fields})
        assert answer["success"] is True, answer
        closed = camera.close_barrier(plate)
        assert closed["action"] == "ENTRY_CONFIRMED", closed
    return answer


def leave(central: LoopbackCentral, plate: str, edge_id: str = "out-1", **fields: object) -> Answer:
    """Let a vehicle out; the answer to the open."""
    answer = ask(central, edge_id, "BARRIER_OPEN", plate_id=plate, direction="EXIT", **fields)
    assert answer["success"] is True, answer
    return answer


def flood(central: LoopbackCentral, requests: Iterable[Row], cameras: int = 32) -> list[Answer]:
    """Ask all this of one central, as many cameras at once; the answers in no certain order."""
    waiting = iter(requests)
    answers: list[Answer] = []
    asking = 0
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        poller = zmq.Poller()
        idle = [context.socket(zmq.REQ) for _ in range(cameras)]
        for camera in idle:
            camera.linger = 0
            camera.connect(central.endpoint)
            poller.register(camera, zmq.POLLIN)
        while True:
            for camera in idle:
                request = next(waiting, None)
                if request is not None:
                    camera.send(orjson.dumps(request))
                    asking += 1
            if not asking:
                return answers
            ready = poller.poll(PATIENCE_S * 1000)
            assert ready, f"{central.id} gives no answer; {len(answers)} came"
            idle = [camera for camera, _ in ready]
            answers += [orjson.loads(camera.recv()) for camera in idle]
            asking -= len(idle)
    finally:
        context.destroy(linger=0)


def opens(prefix: str, count: int, direction: str = "ENTRY", edges: int = 32) -> Iterator[Row]:
    """Requests that let `count` vehicles in, or out."""
    for number in range(count):
        yield {
            "type": "BARRIER_OPEN",
            "edge_id": f"{direction.lower()}-{number % edges}",
            "plate_id": f"{prefix}{number:05d}",
            "direction": direction,
            "request_id": f"{prefix}-{number}-{direction}",
        }


class HonestEdge(threading.Thread):
    """A camera that goes on asking one central, and notes how long each answer took."""

    def __init__(self, central: LoopbackCentral) -> None:
        super().__init__(daemon=True)
        self._central = central
        self._over = threading.Event()
        self.slowest_s = 0.0
        self.answered = 0
        self.faults: list[str] = []

    def run(self) -> None:
        number = 0
        with self._central.edge("honest", timeout_s=10, attempts=1) as camera:
            while not self._over.is_set():
                started = time.monotonic()
                try:
                    answer = camera.detect(f"51H{number:05d}")
                    if answer["success"] is not True and not _too_often(answer):
                        self.faults.append(str(answer))
                except NoAnswer as fault:
                    self.faults.append(str(fault))
                self.slowest_s = max(self.slowest_s, time.monotonic() - started)
                self.answered += 1
                number += 1
                self._over.wait(0.02)

    def end(self) -> None:
        self._over.set()
        self.join(PATIENCE_S)
        assert not self.is_alive()


def _too_often(answer: Answer) -> bool:
    return bool(answer["error"]["code"] == "rate_limited")


@contextmanager
def answered_meanwhile(central: LoopbackCentral, within_s: float = 5.0) -> Iterator[HonestEdge]:
    """An honest camera gets each of its answers in time while the body runs."""
    edge = HonestEdge(central)
    edge.start()
    try:
        yield edge
        wait_for("the honest edge is answered", lambda: edge.answered > 2, PATIENCE_S)
    finally:
        edge.end()
    assert edge.faults == []
    assert edge.slowest_s < promised(within_s)


# --- processes --------------------------------------------------------------------------------


def run(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `zparkd` or `zparkctl` to its end; its exit code and what it printed."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def zparkd(config: Path) -> "subprocess.CompletedProcess[str]":
    """Start a daemon that is expected to end by itself."""
    return run("zparkd.daemon.main", "-c", config)


def zparkctl(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run zparkctl, whatever its exit code is."""
    return run("zparkd.cli.main", "-c", config, *arguments)
