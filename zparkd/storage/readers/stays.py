"""The stays of a database: who came and went, the newest entry first.

What a stay is has been decided where it was recorded; here rows are only picked.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

COLUMNS = (
    *("id", "event_id", "source_central", "edge_id", "sync_status", "plate_id", "plate_view"),
    *("camera_type", "camera_name", "confidence", "status", "confirmed", "closed_by"),
    *("entry_time", "exit_time", "entry_ms", "exit_ms", "exit_central", "exit_edge_id", "fee"),
    *("duration", "duration_s", "remarks", "adjusted", "plate_read"),
)
"""What is said of a stay, in this order."""

Row = dict[str, Any]
_Condition = tuple[str, dict[str, object]]

# What a condition on the view `history` needs of the tables below it.
_BELOW = {"status = 'IN'": "closed_by IS NULL"}
_JOINS = (
    (("plate_id", "camera_type"), " JOIN vehicles v ON v.no = s.vehicle"),
    (
        ("central",),
        " JOIN (SELECT no, origin AS source_central FROM streams) e ON e.no = s.entry >> 40"
        " LEFT JOIN (SELECT no, origin AS exit_central FROM streams) x ON x.no = s.closer >> 40",
    ),
)


@dataclass(frozen=True, slots=True)
class StayFilter:
    """Which stays are asked for: all that hold to everything that is said here.

    `central` and `edge_id` are where the vehicle came in or left. A stay that began from
    `since_ms` on and before `until_ms`. `after` is the entry time and the id of a stay, those
    that are listed after it follow.
    """

    plate_id: str | None = None
    plate_part: str | None = None
    camera_type: str | None = None
    central: str | None = None
    edge_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    inside: bool = False
    after: tuple[int, int] | None = None

    def _conditions(self) -> Iterator[_Condition]:
        if self.plate_id is not None:
            yield "plate_id = :plate", {"plate": self.plate_id}
        if self.plate_part is not None:
            yield "plate_id LIKE :part", {"part": f"%{self.plate_part}%"}
        if self.camera_type is not None:
            yield "camera_type = :type", {"type": self.camera_type}
        if self.central is not None:
            both = "(source_central = :central OR exit_central = :central)"
            yield both, {"central": self.central}
        if self.edge_id is not None:
            yield "(edge_id = :edge OR exit_edge_id = :edge)", {"edge": self.edge_id}
        if self.since_ms is not None:
            yield "entry_ms >= :since", {"since": self.since_ms}
        if self.until_ms is not None:
            yield "entry_ms < :until", {"until": self.until_ms}
        if self.inside:
            yield "status = 'IN'", {}
        if self.after is not None:
            last_ms, last_id = self.after
            yield "(entry_ms, id) < (:last_ms, :last_id)", {"last_ms": last_ms, "last_id": last_id}

    def as_sql(self) -> tuple[list[str], dict[str, object]]:
        """Conditions in the words of the view `history`, and their values by name."""
        found = list(self._conditions())
        values = {name: value for _, each in found for name, value in each.items()}
        return [condition for condition, _ in found], values


def stays(
    connection: sqlite3.Connection, which: StayFilter, limit: int | None = None, offset: int = 0
) -> list[Row]:
    """Stays with what COLUMNS names, newest entry first; at most `limit`, None for all."""
    conditions, values = which.as_sql()
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM history {_where(conditions)}"
        " ORDER BY entry_ms DESC, id DESC LIMIT :limit OFFSET :offset"
    )
    bounds = {"limit": -1 if limit is None else limit, "offset": offset}
    return [dict(row) for row in connection.execute(query, values | bounds)]


def count_stays(connection: sqlite3.Connection, which: StayFilter) -> int:
    """How many stays there are. Asked of the tables below the view: only what counts is read."""
    conditions, values = which.as_sql()
    below = [_BELOW.get(condition, condition) for condition in conditions]
    joins = "".join(
        join for words, join in _JOINS if any(word in c for c in below for word in words)
    )
    query = f"SELECT count(*) FROM sessions s{joins} {_where(below)}"
    return int(connection.execute(query, values).fetchone()[0])


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
