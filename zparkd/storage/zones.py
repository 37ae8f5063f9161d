"""The UTC offsets of a time zone as rows, so that plain SQL can show site time.

Only the zone's rules are read (from the tz database); the machine's own zone and clock play
no part.
"""

import functools
import sqlite3
from datetime import UTC, datetime, timedelta, tzinfo

_FROM = datetime(1970, 1, 1, tzinfo=UTC)
_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
_PROBE = timedelta(days=3)  # no zone changes its offset there and back in less than six
_BEGINNING_S = -(2**62)


@functools.lru_cache(maxsize=4)  # it takes 30 ms, and is asked for at each reload
def offsets(zone: tzinfo) -> list[tuple[int, int]]:
    """From when (seconds since 1970, UTC) which offset (seconds) holds, oldest first."""

    def offset_s(moment_s: int) -> int:
        offset = datetime.fromtimestamp(moment_s, zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    step_s = int(_PROBE.total_seconds())
    at_s, until_s = int(_FROM.timestamp()), int(_UNTIL.timestamp())
    current = offset_s(at_s)
    rows = [(_BEGINNING_S, current)]
    while at_s < until_s:
        next_s = at_s + step_s
        if offset_s(next_s) != current:
            low, high = at_s, next_s
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_s(middle) == current else (low, middle)
            current = offset_s(high)
            rows.append((high, current))
            next_s = high
        at_s = next_s
    return rows


def write(connection: sqlite3.Connection, zone: tzinfo) -> None:
    """Have the table `zone` show this one, by a transaction of its own where it does not."""
    rows = offsets(zone)
    run = connection.execute
    if run("SELECT from_s, offset_s FROM zone ORDER BY from_s").fetchall() != rows:
        if not connection.in_transaction:
            run("BEGIN IMMEDIATE")
        run("DELETE FROM zone")
        connection.executemany("INSERT INTO zone VALUES (?,?)", rows)
        run("COMMIT")
