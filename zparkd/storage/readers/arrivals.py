"""Events in the order in which they arrived at this central: what a reader has not seen yet.

Each has a number in that order, which is never given twice.
"""

import sqlite3
from typing import Any, NamedTuple

from zparkd.storage.schema.corrections import PLATE

# By arrival, so that no look costs more where there are millions.
_PASSAGES = f"""
SELECT e.kind, {PLATE.format(plate="v.plate_id")} AS plate_id, v.camera_type,
       o.origin || '/' || e.edge_id AS place,
       json_extract(CAST(e.skeleton AS TEXT), '$.data.fee') AS fee,
       strftime('%H:%M:%S', e.timestamp / 1000 + (
           SELECT offset_s FROM zone WHERE from_s <= e.timestamp / 1000 ORDER BY from_s DESC LIMIT 1
       ), 'unixepoch') AS time
FROM (SELECT no, at FROM arrivals ORDER BY no DESC LIMIT 1000) a
JOIN events e ON e.at = a.at JOIN streams o ON o.no = e.at >> 40
JOIN places p ON p.at = e.at JOIN vehicles v ON v.no = p.vehicle
WHERE e.kind IN ('VEHICLE_ENTRY_PENDING', 'VEHICLE_EXIT')
ORDER BY a.no DESC LIMIT ?
"""
_SINCE = """
SELECT count(*) FILTER (WHERE e.kind = 'VEHICLE_ENTRY_PENDING'),
       count(*) FILTER (WHERE e.kind = 'VEHICLE_EXIT')
FROM arrivals a JOIN events e ON e.at = a.at
WHERE a.no > (SELECT max(no) FROM arrivals) - 20000 AND e.timestamp > ?
"""


class Arrival(NamedTuple):
    """The number of an event in the order of arrival, and its two parts as they are stored."""

    number: int
    skeleton: bytes
    personal: bytes


class Passed(NamedTuple):
    """How many came in, and how many left."""

    came: int
    went: int


def newest(connection: sqlite3.Connection) -> int:
    """The number of the event that arrived last; 0 for none."""
    return int(connection.execute("SELECT coalesce(max(no), 0) FROM arrivals").fetchone()[0])


def arrived(
    connection: sqlite3.Connection, after: int, limit: int, upto: int | None = None
) -> list[Arrival]:
    """The first `limit` events that arrived after one number, and at most up to another."""
    rows = connection.execute(
        "SELECT a.no, e.skeleton, e.sealed FROM arrivals a JOIN events e ON e.at = a.at"
        " WHERE a.no > ? AND a.no <= ? ORDER BY a.no LIMIT ?",
        (after, 2**63 - 1 if upto is None else upto, limit),
    )
    return [Arrival(*row) for row in rows]


def arrived_last(connection: sqlite3.Connection, limit: int) -> list[Arrival]:
    """The `limit` events that arrived last, the last one first."""
    rows = connection.execute(
        "SELECT a.no, e.skeleton, e.sealed FROM arrivals a JOIN events e ON e.at = a.at"
        " ORDER BY a.no DESC LIMIT ?",
        (limit,),
    )
    return [Arrival(*row) for row in rows]


def passed_since(connection: sqlite3.Connection, since_ms: int) -> Passed:
    """How many came and went since a moment, among the newest 20,000 events."""
    return Passed(*connection.execute(_SINCE, (since_ms,)).fetchone())


def last_passages(connection: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """Who came in or left last, by arrival: kind, plate_id, camera_type, place, fee and time."""
    return [dict(row) for row in connection.execute(_PASSAGES, (limit,))]
