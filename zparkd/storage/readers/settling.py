"""What a merge of what several gates recorded leaves to be settled: sums that were charged wrongly.

A merge never changes a fee. So where a stay was priced from another entry than the one that counts,
or a vehicle paid at two gates, the difference is told here; a charge on the stay settles it.
"""

import sqlite3
from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, read
from zparkd.core.gate.charges import due
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.pricing import BUILT_IN, Tariff
from zparkd.storage.readers.reference import tariff_at

_STAY = (
    "SELECT h.entry_ms, h.fee, h.adjusted, e.skeleton, e.sealed FROM history h"
    " JOIN sessions s ON s.id = h.id LEFT JOIN events e ON e.at = s.closer"
    " WHERE h.plate_id = ? AND h.camera_type = ? AND h.event_id = ?"
)

Row = dict[str, Any]


def add_due(connection: sqlite3.Connection, conflicts: Iterable[Row], zone: tzinfo) -> None:
    """Say in each conflict as `due` what is still to be taken, below 0 what is to be given back.

    It is None where nothing is, or nobody can tell.
    """
    for row in conflicts:
        row["due"] = _due(connection, row, zone) or None


def _due(connection: sqlite3.Connection, row: Row, zone: tzinfo) -> int | None:
    stay = connection.execute(_STAY, (row["plate_id"], row["camera_type"], row["stay"])).fetchone()
    match row["kind"]:
        case "OTHER_ENTRY" if stay is not None and stay["skeleton"] is not None:
            right = _right_fee(connection, stay, zone)
            return right - int(stay["fee"] + stay["adjusted"]) if right is not None else None
        case "ENDED_NOTHING" | "GAVE_WAY" if row["fee"]:
            given_back = min(0, int(stay["adjusted"])) if stay is not None else 0
            return min(0, -int(row["fee"]) - given_back)
    return None


def _right_fee(connection: sqlite3.Connection, stay: sqlite3.Row, zone: tzinfo) -> int | None:
    """What the exit of a stay had charged, had it known the entry that counts."""
    try:
        event = read(stay["skeleton"], stay["sealed"])
    except ProtocolError:  # rot; `verify` names it
        return None
    if event.facts is None or event.facts.fee is None:
        return None
    tariff: Tariff | None = BUILT_IN
    if event.facts.tariff is not None:
        named = Position(*event.facts.tariff)
        held = tariff_at(connection, named)
        tariff = (
            Tariff(held.version, read_tariff(held.document), named) if held is not None else None
        )
    if tariff is None:
        return None
    return due(event.facts, event.timestamp, stay["entry_ms"], tariff, zone)
