"""What a person should look at: events that did not count, and stays with a remark.

What is a conflict, and which stay counts, was decided by the rules of the stays. One is open until
a person acknowledges it, or until it is no conflict any more; one about money is settled by
charges on its stay, where a sum is known once nothing of it is left.
"""

import base64
import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import tzinfo
from typing import Any, NamedTuple

import orjson

from zparkd.core.audit import act_of
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, read
from zparkd.core.events.payloads import Acknowledged
from zparkd.storage.keys import number_of, seq_of
from zparkd.storage.readers.settling import due, part_charged

COLUMNS = (
    *("id", "kind", "plate_id", "camera_type", "event_id", "stay"),
    *("central", "edge_id", "time", "fee", "acknowledged"),
)
"""What is said of a conflict, in this order.

`stay` is the readable id of the one it is about. `acknowledged` is null while it is open, else who
said so, why, when and where.
"""

Row = dict[str, Any]
_EVENT_ID = re.compile(r"(?P<central>[^_]+)_(?P<ms>-?[0-9]+)_(?P<plate>[^_]+)")
_IN_VIEW = COLUMNS[1:-1]
_ROWS = f"SELECT {', '.join(_IN_VIEW)}, about, time_ms FROM conflicts "
# In the view any charge on its stay settles one about money: what a sum comes to is not for SQL.
_OPEN = "(open OR kind = 'OTHER_ENTRY' AND about IN (SELECT value FROM json_each(?)))"
_ORDER = " ORDER BY time_ms DESC, event_id, kind"
# Counted by what is acknowledged or settled, which is little beside all that there ever was.
_ALL = (
    "SELECT (SELECT count(*) FROM verdicts WHERE verdict NOT IN ('REPEATED', 'VOIDED'))"
    " + (SELECT coalesce(sum(length(remarks) - length(replace(remarks, ',', '')) + 1), 0)"
    " FROM sessions WHERE remarks IS NOT NULL)"
)
_ACKED = (
    "(SELECT DISTINCT a.conflict, o.no << 40 | a.seq AS about FROM acks a"
    " JOIN streams o ON o.origin = a.origin AND o.epoch = a.epoch)"
)
_DONE = f"""
SELECT (
    SELECT count(*) FROM {_ACKED} a JOIN verdicts d ON d.at = a.about
    LEFT JOIN claims c ON c.at = d.at
    WHERE d.verdict NOT IN ('REPEATED', 'VOIDED') AND a.conflict = CASE
        WHEN d.verdict = 'ENDED_NOTHING' AND c.origin IS NULL THEN 'UNMATCHED' ELSE d.verdict END
) + (
    SELECT count(*) FROM {_ACKED} a JOIN sessions s ON s.entry = a.about
    WHERE instr(',' || s.remarks || ',', ',' || a.conflict || ',')
) + (
    SELECT count(*) FROM (SELECT DISTINCT stay FROM charges WHERE stay IS NOT NULL) p
    JOIN sessions s ON s.entry = p.stay
    JOIN (SELECT 'OTHER_ENTRY' AS kind UNION ALL SELECT 'FORCED') m
      ON instr(',' || s.remarks || ',', ',' || m.kind || ',')
    WHERE NOT EXISTS (SELECT 1 FROM {_ACKED} a WHERE a.about = s.entry AND a.conflict = m.kind)
)
"""


class Found(NamedTuple):
    """A conflict that is named: its kind, the event that it is about, whether it is open."""

    kind: str
    about: Position
    open: bool


def conflicts(
    connection: sqlite3.Connection, zone: tzinfo, limit: int | None = None, *, all: bool = False
) -> list[Row]:
    """Open conflicts with what COLUMNS names, the newest first; with `all` those that were too.

    Each with `due` besides, as that says. At most `limit`, None for all. `zone` is the site's.
    """
    which, more = ("", ()) if all else (f"WHERE {_OPEN}", (_part_charged(connection, zone),))
    rows = connection.execute(
        f"{_ROWS}{which}{_ORDER} LIMIT ?", (*more, -1 if limit is None else limit)
    ).fetchall()
    streams = _streams(connection)
    return [_row(connection, streams, row) | {"due": due(connection, row, zone)} for row in rows]


def conflict_id(kind: str, about: Position) -> str:
    """Eight letters and digits for a conflict of a kind about an event, the same everywhere."""
    text = f"{kind} {about.origin} {about.epoch} {about.seq}"
    digest = hashlib.blake2b(text.encode(), digest_size=5).digest()
    return base64.b32encode(digest).decode().lower()


def conflicts_between(connection: sqlite3.Connection, since_ms: int, until_ms: int) -> list[Row]:
    """The conflicts of a time, open or not, with what the view says of them and `time_ms`."""
    query = f"{_ROWS}WHERE time_ms >= ? AND time_ms < ? ORDER BY time_ms, event_id, kind"
    return [dict(row) for row in connection.execute(query, (since_ms, until_ms))]


def find(connection: sqlite3.Connection, zone: tzinfo, id: str) -> Found | None:
    """The conflict of this id; None where there is none. `zone` is the site's."""
    streams = _streams(connection)
    query = f"SELECT kind, about, {_OPEN} FROM conflicts"
    for kind, about, open in connection.execute(query, (_part_charged(connection, zone),)):
        position = _position(streams, about)
        if conflict_id(kind, position) == id:
            return Found(kind, position, bool(open))
    return None


class OpenConflicts:
    """How many conflicts are open; counted again where the database changed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: tuple[tuple[int, tzinfo], int] | None = None  # as of which changes; how many

    def count(self, zone: tzinfo) -> int:
        """How many there are. `zone` is the site's."""
        as_of = self._connection.total_changes, zone
        if self._known is None or self._known[0] != as_of:
            (found,) = self._connection.execute(_ALL).fetchone()
            (done,) = self._connection.execute(_DONE).fetchone()
            self._known = as_of, found - done + len(part_charged(self._connection, zone))
        return self._known[1]


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


def _row(connection: sqlite3.Connection, streams: dict[int, tuple[str, int]], row: Row) -> Row:
    about = _position(streams, row["about"])
    found = {"id": conflict_id(row["kind"], about)}
    found |= {name: row[name] for name in _IN_VIEW}
    acks = list(_acks(connection, row["kind"], about))
    return found | {"acknowledged": acks[0] if acks else None}


def _part_charged(connection: sqlite3.Connection, zone: tzinfo) -> str:
    """What `_OPEN` asks for."""
    return orjson.dumps(part_charged(connection, zone)).decode()


def _acks(connection: sqlite3.Connection, kind: str, about: Position) -> Iterator[Row]:
    """Who acknowledged a conflict, the first who did first."""
    rows = connection.execute(
        "SELECT e.skeleton, e.sealed FROM acks a JOIN events e ON e.at = a.at"
        " WHERE a.conflict = ? AND a.origin = ? AND a.epoch = ? AND a.seq = ?",
        (kind, *about),
    )
    events = []
    for skeleton, sealed in rows:
        with suppress(ProtocolError):  # rot; `verify` names it
            events.append(read(skeleton, sealed))
    for event in sorted(events, key=lambda event: event.key):
        act = act_of(event)
        if act is not None and isinstance(event.reference, Acknowledged):
            yield {
                "who": act.who,
                "why": act.why,
                "central": event.position.origin,
                "time_ms": event.timestamp,
            }


def _streams(connection: sqlite3.Connection) -> dict[int, tuple[str, int]]:
    rows = connection.execute("SELECT no, origin, epoch FROM streams")
    return {no: (origin, epoch) for no, origin, epoch in rows}


def _position(streams: dict[int, tuple[str, int]], about: int) -> Position:
    return Position(*streams[number_of(about)], seq_of(about))
