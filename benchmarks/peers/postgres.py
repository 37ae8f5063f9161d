"""PostgreSQL with logical replication: bare inserts, and behind a gate written the usual way."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psycopg
import zmq

from benchmarks.load import Times
from benchmarks.load import closed_loop as cameras_ask
from benchmarks.peers.producers import EVENT, closed_loop, memory_mb, seen_p50
from benchmarks.site import CATCH_UP, EDGES, Figures
from zparkd.testbed.servers import PostgresServer

_TABLES = """
CREATE TABLE events (id bigserial PRIMARY KEY, plate text, body text NOT NULL);
CREATE TABLE stays (
    id bigserial PRIMARY KEY, plate text NOT NULL, entered timestamptz NOT NULL,
    left_at timestamptz, fee integer, request_id text UNIQUE
);
CREATE INDEX stays_inside ON stays (plate) WHERE left_at IS NULL;
"""
_LOGICAL = ("wal_level=logical", "max_connections=60")
_WORKERS = 8
_FIRST = 50


@contextmanager
def _replicated() -> Iterator[list[PostgresServer]]:
    servers = [PostgresServer(more=_LOGICAL) for _ in range(3)]
    try:
        for number, server in enumerate(servers):
            server.start()
            with psycopg.connect(server.dsn, autocommit=True) as connection:
                connection.execute(_TABLES)
                if number:
                    connection.execute(
                        f"CREATE SUBSCRIPTION s{number} CONNECTION '{servers[0].dsn}' "
                        "PUBLICATION all_events WITH (copy_data = false)"
                    )
                else:
                    connection.execute("CREATE PUBLICATION all_events FOR ALL TABLES")
        yield servers
    finally:
        for server in reversed(servers):
            server.stop()


def _counter(server: PostgresServer) -> Callable[[], int]:
    connection = psycopg.connect(server.dsn, autocommit=True)

    def held() -> int:
        row = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        assert row is not None
        return int(row[0])

    return held


def bare(folder: Path, acks: int) -> Figures:
    """One row an event, one commit a row."""
    del folder
    with _replicated() as servers:
        first, second, last = servers

        def writer() -> Callable[[str], None]:
            connection = psycopg.connect(first.dsn, autocommit=True)

            def write(body: str) -> None:
                connection.execute("INSERT INTO events (body) VALUES (%s)", (body,))

            return write

        closed_loop(writer, _FIRST, 1)
        one = closed_loop(writer, acks, 1)
        busy = closed_loop(writer, acks * 5, EDGES)
        _wait(_counter(second), _counter(first)())
        return {
            **_of(one, busy),
            "seen": seen_p50(writer(), _counter(second), 200),
            "catch-up": _catch_up(first, last),
            "memory": memory_mb(_pid(first)),
        }


def _of(one: Times, busy: Times) -> Figures:
    return {"ack p50": one.p50, "ack p99": one.p99, "acks": busy.per_s}


def _wait(held: Callable[[], int], wanted: int) -> None:
    until = time.monotonic() + 120
    while held() < wanted:
        assert time.monotonic() < until
        time.sleep(0.005)


def _catch_up(first: PostgresServer, last: PostgresServer) -> float:
    _wait(_counter(last), _counter(first)())
    last.kill()
    with psycopg.connect(first.dsn) as connection, connection.cursor() as cursor:
        rows = [(EVENT,)] * CATCH_UP
        cursor.executemany("INSERT INTO events (body) VALUES (%s)", rows)
    wanted = _counter(first)()
    begin = time.perf_counter()
    last.start()
    _wait(_counter(last), wanted)
    return CATCH_UP / (time.perf_counter() - begin)


def gate(folder: Path, acks: int) -> Figures:
    """The least that a gate does: whether it is inside, the event, the stay, one commit; ZeroMQ."""
    with _replicated() as servers:
        first, second, last = servers
        endpoint = f"ipc://{folder}/gate"
        service = multiprocessing.Process(target=_serve, args=(endpoint, first.dsn), daemon=True)
        service.start()
        assert service.pid is not None
        try:
            cameras_ask(endpoint, _FIRST, 1)
            one = cameras_ask(endpoint, acks, 1)
            busy = cameras_ask(endpoint, acks * 5, EDGES)
            _wait(_counter(second), _counter(first)())
            context = zmq.Context()
            camera = context.socket(zmq.REQ)
            camera.connect(endpoint)

            def write(plate: str) -> None:
                camera.send(orjson.dumps(_entry(plate[:9] + str(time.monotonic_ns()))))
                camera.recv()

            seen = seen_p50(write, _counter(second), 200)
            context.destroy(linger=0)
            return {
                **_of(one, busy),
                "seen": seen,
                "catch-up": _catch_up(first, last),
                "memory": memory_mb(_pid(first), service.pid),
            }
        finally:
            service.terminate()
            service.join()


def _entry(plate: str) -> dict[str, str]:
    return {"plate_id": plate, "direction": "ENTRY", "request_id": plate, "edge_id": "e"}


def _serve(endpoint: str, dsn: str) -> None:
    context = zmq.Context()
    front, back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    front.bind(endpoint)
    back.bind("inproc://workers")
    for _ in range(_WORKERS):
        threading.Thread(target=_work, args=(context, dsn), daemon=True).start()
    zmq.proxy(front, back)


def _work(context: "zmq.Context[zmq.Socket[bytes]]", dsn: str) -> None:
    server = context.socket(zmq.REP)
    server.connect("inproc://workers")
    connection = psycopg.connect(dsn)
    while True:
        body = server.recv()
        request = orjson.loads(body)
        plate = request["plate_id"]
        with connection.transaction():
            inside = connection.execute(
                "SELECT id FROM stays WHERE plate = %s AND left_at IS NULL FOR UPDATE", (plate,)
            ).fetchone()
            if request["direction"] == "ENTRY" and inside is None:
                connection.execute(
                    "INSERT INTO stays (plate, entered, request_id) VALUES (%s, now(), %s)",
                    (plate, request["request_id"]),
                )
            elif request["direction"] == "EXIT" and inside is not None:
                connection.execute(
                    "UPDATE stays SET left_at = now(), fee = 5000 WHERE id = %s", inside
                )
            connection.execute(
                "INSERT INTO events (plate, body) VALUES (%s, %s)", (plate, body.decode())
            )
        server.send(b'{"success":true}')


def _pid(server: PostgresServer) -> int:
    assert server.process is not None
    return server.process.pid
