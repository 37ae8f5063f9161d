"""A migration in steps: the log moves to a table of its own, and what it came to beside it.

Each step is a transaction that moves some rows, so it needs little room on the disk, and what is
broken off goes on where it was: what is left in the tables before it is what is left to do.
"""

import sqlite3
from collections.abc import Callable

from zparkd.storage.keys import act_key

Told = Callable[[int, int], None]
"""Called after each step: how many events are moved, and how many there are."""

_ROWS = 5_000  # of a step
_CACHE_KIB = 64 * 1024
_EVENTS = (
    "INSERT INTO places (at, vehicle, place, timestamp) SELECT at, vehicle, place, timestamp"
    " FROM events_before WHERE at <= :last AND vehicle IS NOT NULL",
    "INSERT INTO acts (act, at) SELECT act_key(edge_id, request_id), at"
    " FROM events_before WHERE at <= :last AND request_id IS NOT NULL",
    "INSERT INTO events (at, kind, timestamp, edge_id, request_id, skeleton, sealed)"
    " SELECT at, kind, timestamp, edge_id, request_id, skeleton, sealed"
    " FROM events_before WHERE at <= :last",
    "DELETE FROM events_before WHERE at <= :last",
)
_ARRIVALS = (
    "INSERT INTO opens (edge_id, no, at) SELECT opened_by, no, at FROM arrivals_before"
    " WHERE no <= :last AND opened_by IS NOT NULL",
    "INSERT INTO arrivals (no, at) SELECT no, at FROM arrivals_before WHERE no <= :last",
    "DELETE FROM arrivals_before WHERE no <= :last",
)
_LAST = """
DROP TABLE events_before;
DROP TABLE arrivals_before;
INSERT INTO projected SELECT coalesce(max(no), 0) FROM arrivals;
"""


def move(connection: sqlite3.Connection, told: Told | None) -> str:
    """Move all rows; the SQL that is left for the transaction that ends it."""
    run = connection.execute
    connection.create_function("act_key", 2, act_key, deterministic=True)
    (cache,) = run("PRAGMA cache_size").fetchone()
    run(f"PRAGMA cache_size = {-_CACHE_KIB}")
    run("DROP INDEX IF EXISTS opens_arrived")
    (all_,) = run("SELECT coalesce(sum(head), 0) FROM streams").fetchone()
    moved = 0
    if run("SELECT 1 FROM events").fetchone():
        (moved,) = run("SELECT count(*) FROM events").fetchone()
    for table, key, statements in (
        ("events_before", "at", _EVENTS),
        ("arrivals_before", "no", _ARRIVALS),
    ):
        while True:
            rows = run(f"SELECT {key} FROM {table} ORDER BY {key} LIMIT {_ROWS}").fetchall()
            if not rows:
                break
            run("BEGIN IMMEDIATE")
            for statement in statements:
                run(statement, {"last": rows[-1][0]})
            run("COMMIT")
            if told is not None and key == "at":
                moved += len(rows)
                told(moved, all_)
    run(f"PRAGMA cache_size = {cache}")
    return _LAST
