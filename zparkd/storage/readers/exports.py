"""All events, or all stays, row by row as they are in one moment, for other programs."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NamedTuple

from zparkd.storage.readers.connection import one_moment
from zparkd.storage.schema.corrections import PLATE

_CHUNK = 2_000
_SITE_TIME = """strftime('%Y-%m-%d %H:%M:%S', {0} / 1000 + (
    SELECT offset_s FROM zone WHERE from_s <= {0} / 1000 ORDER BY from_s DESC LIMIT 1
), 'unixepoch')"""


class What(StrEnum):
    """What is exported: all events with both their parts, or the stays as `history` shows them."""

    EVENTS = "events"
    HISTORY = "history"


_ROWS = {
    What.EVENTS: f"""
SELECT o.origin AS central, o.epoch, e.at & ((1 << 40) - 1) AS seq, e.kind,
       {_SITE_TIME.format("e.timestamp")} AS time, e.timestamp AS time_ms,
       {PLATE.format(plate="v.plate_id")} AS plate_id, v.camera_type, e.edge_id, e.request_id,
       json_extract(CAST(e.skeleton AS TEXT), '$.data.fee') AS fee,
       CAST(e.skeleton AS TEXT) AS skeleton, CAST(e.sealed AS TEXT) AS personal
FROM events e JOIN streams o ON o.no = e.at >> 40
LEFT JOIN places p ON p.at = e.at LEFT JOIN vehicles v ON v.no = p.vehicle
ORDER BY e.at
""",
    What.HISTORY: "SELECT * FROM history ORDER BY entry_ms, id",
}
_COUNTS = {
    What.EVENTS: "SELECT coalesce(sum(head), 0) FROM streams",
    What.HISTORY: "SELECT count(*) FROM sessions",
}

Row = tuple[Any, ...]


class Export(NamedTuple):
    """The names of the columns, how many rows there are, and the rows, some at a time."""

    columns: Sequence[str]
    total: int
    chunks: Iterator[list[Row]]


@contextmanager
def export(connection: sqlite3.Connection, what: What) -> Iterator[Export]:
    """All rows as they are in one moment: that lasts until the context ends."""
    with one_moment(connection), _cursor(connection) as cursor:
        total = int(cursor.execute(_COUNTS[what]).fetchone()[0])
        cursor.execute(_ROWS[what])
        columns = [column[0] for column in cursor.description]
        yield Export(columns, total, iter(lambda: cursor.fetchmany(_CHUNK), []))


@contextmanager
def _cursor(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """A cursor of plain tuples."""
    cursor = connection.cursor()
    cursor.row_factory = None
    try:
        yield cursor
    finally:
        cursor.close()
