"""What a person should look at: events that did not count, and stays with a remark.

What is a conflict, and which stay counts, was decided by the rules of the stays.
"""

import re
import sqlite3
from typing import Any

COLUMNS = (
    *("kind", "plate_id", "camera_type", "event_id", "stay"),
    *("central", "edge_id", "time", "fee"),
)
"""What is said of a conflict, in this order. `stay` is the readable id of the one it is about."""

Row = dict[str, Any]
_EVENT_ID = re.compile(r"(?P<central>[^_]+)_(?P<ms>-?[0-9]+)_(?P<plate>[^_]+)")


def conflicts(connection: sqlite3.Connection, limit: int | None = None) -> list[Row]:
    """Conflicts with what COLUMNS names, the newest first; at most `limit`, None for all."""
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM conflicts ORDER BY time_ms DESC, event_id, kind LIMIT ?"
    )
    return [dict(row) for row in connection.execute(query, (-1 if limit is None else limit,))]


def conflicts_between(connection: sqlite3.Connection, since_ms: int, until_ms: int) -> list[Row]:
    """The conflicts of a time, with what COLUMNS names and `time_ms`."""
    query = (
        f"SELECT {', '.join(COLUMNS)}, time_ms FROM conflicts WHERE time_ms >= ? AND time_ms < ?"
        " ORDER BY time_ms, event_id, kind"
    )
    return [dict(row) for row in connection.execute(query, (since_ms, until_ms))]


def stay_of(connection: sqlite3.Connection, stay: str | None, camera_type: str) -> Row | None:
    """All that is said of the stay with a readable id; None where there is none."""
    named = _EVENT_ID.fullmatch(stay or "")
    if named is None:
        return None
    row = connection.execute(
        "SELECT * FROM history WHERE plate_id = ? AND camera_type = ? AND entry_ms = ?"
        " AND source_central = ?",
        (named["plate"], camera_type, int(named["ms"]), named["central"]),
    ).fetchone()
    return dict(row) if row is not None else None
