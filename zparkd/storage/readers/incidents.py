"""What was written down of each time that this central was cut off, and what came of it."""

import sqlite3
from typing import NamedTuple

from zparkd.storage.schema.corrections import READABLE_ID, STAY_ID

_MADE = """
WITH made AS (
    SELECT e.at, o.origin, o.epoch
    FROM arrivals a JOIN events e ON e.at = a.at JOIN streams o ON o.no = e.at >> 40
    WHERE a.no > :lost_no AND a.no <= :over_no AND e.timestamp <= :back_ms
)
"""
_COUNTS = _MADE + "SELECT origin, count(*) FROM made GROUP BY origin ORDER BY origin"
_EVENT_ID = READABLE_ID.format(
    plate="v.plate_id", origin="m", seq="(m.at & ((1 << 40) - 1))", ms="e.timestamp"
)
_CONFLICTS = (
    _MADE
    + f"""
SELECT
    CASE WHEN d.verdict = 'ENDED_NOTHING' AND c.origin IS NULL
         THEN 'UNMATCHED' ELSE d.verdict END AS kind,
    {_EVENT_ID} AS event_id,
    c.fee
FROM made m JOIN verdicts d ON d.at = m.at JOIN events e ON e.at = m.at
LEFT JOIN claims c ON c.at = m.at
JOIN vehicles v ON v.no = d.vehicle
WHERE d.verdict IN ('SUPERSEDED', 'ENDED_NOTHING')
UNION ALL
SELECT r.value, {STAY_ID}, s.fee
FROM made m JOIN sessions s ON s.closer = m.at JOIN vehicles v ON v.no = s.vehicle
JOIN streams eo ON eo.no = s.entry >> 40,
     json_each('["' || replace(s.remarks, ',', '","') || '"]') r
WHERE s.remarks IS NOT NULL
ORDER BY 2, 1
"""
)


class Outage(NamedTuple):
    """One peer, from when it was lost to when all it has was here; None for what is not so yet.

    `lost_no` and `over_no` are the newest arrivals at both ends.
    """

    peer: str
    why: str
    lost_ms: int
    lost_no: int
    back_ms: int | None
    over_ms: int | None
    over_no: int | None


class Conflict(NamedTuple):
    """What came of an event: its kind, the readable id of event or stay, and the fee in it."""

    kind: str
    event_id: str
    fee: int | None


class Meanwhile(NamedTuple):
    """The events made while somebody was cut off, by origin, and the conflicts that came of it."""

    events: dict[str, int]
    conflicts: list[Conflict]


def outages(connection: sqlite3.Connection) -> list[Outage]:
    """All outages that are kept, the oldest first."""
    rows = connection.execute(
        "SELECT peer, why, lost_ms, lost_no, back_ms, over_ms, over_no FROM outages"
        " ORDER BY lost_ms, id"
    )
    return [Outage(*row) for row in rows]


def meanwhile(
    connection: sqlite3.Connection, lost_no: int, over_no: int, back_ms: int | None
) -> Meanwhile:
    """What was made until `back_ms`, and arrived after one number and up to another."""
    bounds = {
        "lost_no": lost_no,
        "over_no": over_no,
        "back_ms": 2**62 if back_ms is None else back_ms,
    }
    return Meanwhile(
        dict(connection.execute(_COUNTS, bounds).fetchall()),
        [Conflict(*row) for row in connection.execute(_CONFLICTS, bounds)],
    )
