"""What the machine can do at best: the same disk, sockets and JSON, and nothing of zparkd.

Each floor is measured in the run whose figures are compared with it, since machines differ and
drift. Rates are per second, times in seconds.
"""

import multiprocessing
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import zmq

from benchmarks.load import Times, closed_loop

EVENT = orjson.dumps({"type": "VEHICLE_ENTRY_PENDING", "data": {"filler": "x" * 240}})
_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")


def _database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    connection.execute("CREATE TABLE log (at INTEGER PRIMARY KEY, body BLOB)")
    connection.execute("CREATE TABLE history (id INTEGER PRIMARY KEY, plate TEXT, ms INTEGER)")
    connection.execute("CREATE INDEX plates ON history (plate)")
    return connection


def rows_per_s(folder: Path, per_commit: int, seconds: float = 1.5) -> float:
    """Rows into a log with `per_commit` rows a transaction, each on the disk."""
    connection = _database(folder / f"rows-{per_commit}.db")
    rows, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO log (body) VALUES (?)", [(EVENT,) for _ in range(per_commit)]
        )
        connection.execute("COMMIT")
        rows += per_commit
    rate = rows / (time.perf_counter() - begin)
    connection.close()
    return rate


def decoded_rows_per_s(folder: Path, seconds: float = 1.5) -> float:
    """Events decoded from a page of 1000, and put into log and history, a page a transaction."""
    connection = _database(folder / "decoded.db")
    page = orjson.dumps([{"body": EVENT.decode(), "plate": f"29A{i:05d}"} for i in range(1000)])
    rows, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        events = orjson.loads(page)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO log (body) VALUES (?)", [(e["body"],) for e in events])
        connection.executemany(
            "INSERT INTO history (plate, ms) VALUES (?, ?)", [(e["plate"], rows) for e in events]
        )
        connection.execute("COMMIT")
        rows += len(events)
    rate = rows / (time.perf_counter() - begin)
    connection.close()
    return rate


@contextmanager
def minimal_chain(folder: Path) -> Iterator[str]:
    """Three processes that do the least that the promise needs; the endpoint to ask.

    Receive, commit a row, answer, publish; two others commit what was published.
    """
    heads = [f"ipc://{folder}/{name}" for name in ("ask", "bus")]
    workers = [
        multiprocessing.Process(target=_answer, args=(folder / "head.db", *heads), daemon=True),
        multiprocessing.Process(target=_follow, args=(folder / "b.db", heads[1]), daemon=True),
        multiprocessing.Process(target=_follow, args=(folder / "c.db", heads[1]), daemon=True),
    ]
    for worker in workers:
        worker.start()
    try:
        yield heads[0]
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _answer(path: Path, asks: str, bus: str) -> None:
    connection = _database(path)
    context = zmq.Context()
    server, pub = context.socket(zmq.ROUTER), context.socket(zmq.PUB)
    server.bind(asks)
    pub.bind(bus)
    while True:
        *envelope, body = server.recv_multipart()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO log (body) VALUES (?)", (body,))
        connection.execute("COMMIT")
        server.send_multipart([*envelope, b'{"success":true}'])
        pub.send(body)


def _follow(path: Path, bus: str) -> None:
    connection = _database(path)
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.connect(bus)
    sub.subscribe(b"")
    while True:
        body = sub.recv()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO log (body) VALUES (?)", (body,))
        connection.execute("COMMIT")


def chain_times(folder: Path, count: int, every_s: float) -> Times:
    """How long the minimal chain takes to answer one edge."""
    with minimal_chain(folder) as endpoint:
        closed_loop(endpoint, 50, 1)  # the first ones pay for the connection
        return closed_loop(endpoint, count, 1, every_s)
