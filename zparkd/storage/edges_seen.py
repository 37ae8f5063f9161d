"""When each edge was last heard, as it is written down: what `status` shows outlives a restart.

All within the caller's transaction.
"""

import sqlite3
from collections.abc import Iterable

from zparkd.core.gate import limits

_LAST_OPENED = (
    "SELECT max(e.timestamp)"
    " FROM (SELECT at FROM opens WHERE edge_id = ? ORDER BY no DESC LIMIT ?) a"
    " JOIN events e ON e.at = a.at JOIN streams o ON o.no = e.at >> 40"
    " WHERE o.origin = (SELECT value FROM meta WHERE key = 'central')"
)


def note(connection: sqlite3.Connection, seen: Iterable[tuple[str, int]]) -> None:
    """Write down when edges were last heard, in ms; those silent the longest are dropped."""
    connection.executemany("INSERT OR REPLACE INTO edges VALUES (?,?)", seen)
    connection.execute(
        "DELETE FROM edges WHERE edge_id IN"
        " (SELECT edge_id FROM edges ORDER BY seen_ms DESC LIMIT -1 OFFSET ?)",
        (limits.EDGES_REMEMBERED,),
    )


def read(connection: sqlite3.Connection, configured: Iterable[str]) -> list[tuple[str, int]]:
    """When edges were last heard, as far as is known; the one silent the longest first.

    What was not written down before a crash is told by what each of the `configured` ones last
    opened for here.
    """
    rows = connection.execute("SELECT edge_id, seen_ms FROM edges")
    seen: dict[str, int] = dict(rows.fetchall())
    for edge_id in configured:
        last = connection.execute(_LAST_OPENED, (edge_id, limits.OWN_ENTRIES_LOOKED_AT))
        (opened_ms,) = last.fetchone()
        if opened_ms is not None:
            seen[edge_id] = max(opened_ms, seen.get(edge_id, 0))
    return sorted(seen.items(), key=lambda edge: (edge[1], edge[0]))
