"""What people did, the newest first: the same rows at every central that holds the same events."""

import sqlite3
from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from zparkd.core.audit import act_of, row
from zparkd.core.clock import site_time
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import read

# The words of the index `acts_of_people`: all that may be one; the rules say what is.
MAYBE = (
    "kind NOT IN ('VEHICLE_ENTRY_PENDING', 'VEHICLE_ENTRY_CONFIRMED', 'VEHICLE_EXIT',"
    " 'VEHICLE_SEEN') OR instr(skeleton, x'22666f7263656422')"
    " OR instr(skeleton, x'2262795f68616e6422')"
)
SELECT_ACTS = f"""
SELECT e.skeleton, e.sealed, c.up_to IS NULL OR (e.at & ((1 << 40) - 1)) <= c.up_to AS counts
FROM (SELECT at, timestamp, skeleton, sealed FROM events
      WHERE ({MAYBE}) AND timestamp >= :since AND timestamp < :until) e
JOIN streams o ON o.no = e.at >> 40
LEFT JOIN cuts c ON c.stream = o.no
ORDER BY e.timestamp DESC, o.origin DESC, o.epoch DESC, e.at DESC
"""
_ALWAYS = 2**63 - 1

Row = dict[str, Any]


def acts(
    connection: sqlite3.Connection,
    zone: tzinfo,
    since_ms: int = 0,
    until_ms: int = _ALWAYS,
    limit: int | None = None,
) -> list[Row]:
    """Acts with what `core.audit.COLUMNS` names, at most `limit`; None for all."""
    found: list[Row] = []
    for each in _acts(connection, zone, since_ms, until_ms):
        if limit is not None and len(found) >= limit:
            break
        found.append(each)
    return found


def _acts(
    connection: sqlite3.Connection, zone: tzinfo, since_ms: int, until_ms: int
) -> Iterator[Row]:
    for skeleton, sealed, counts in connection.execute(
        SELECT_ACTS, {"since": since_ms, "until": until_ms}
    ):
        try:
            event = read(skeleton, sealed)
        except ProtocolError:  # rot; `verify` names it
            continue
        act = act_of(event)
        if act is not None:
            time = _time(event.timestamp, zone)
            yield dict(row(event, act, time=time, counts=bool(counts)))


def _time(ms: int, zone: tzinfo) -> str | None:
    try:
        return site_time(ms, zone)
    except (OverflowError, ValueError, OSError):
        return None  # no date has so many days
