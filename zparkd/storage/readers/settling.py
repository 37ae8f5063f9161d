"""What a merge of what several gates recorded leaves to be settled: sums that were charged wrongly.

A merge never changes a fee. So where a stay was priced from another entry than the one that counts,
or a vehicle paid at two gates, the difference is told here; charges on the stay settle it.
"""

import sqlite3
from datetime import tzinfo
from typing import Any, NamedTuple

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, read
from zparkd.core.gate import charges
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.pricing import BUILT_IN, Tariff
from zparkd.storage.readers.reference import tariff_at

_STAY = "SELECT s.entry, s.entry_ms, s.fee, s.adjusted, e.skeleton, e.sealed FROM "
_OF_ENTRY = f"{_STAY}sessions s LEFT JOIN events e ON e.at = s.closer WHERE s.entry = ?"
_OF_ID = (
    f"{_STAY}history h JOIN sessions s ON s.id = h.id LEFT JOIN events e ON e.at = s.closer"
    " WHERE h.plate_id = ? AND h.camera_type = ? AND h.event_id = ?"
)
_CHARGED = (
    f"{_STAY}(SELECT DISTINCT stay FROM charges WHERE stay IS NOT NULL) p"
    " JOIN sessions s ON s.entry = p.stay LEFT JOIN events e ON e.at = s.closer"
    " WHERE instr(',' || s.remarks || ',', ',OTHER_ENTRY,') AND NOT EXISTS ("
    "SELECT 1 FROM streams o JOIN acks a ON a.origin = o.origin AND a.epoch = o.epoch"
    " WHERE o.no = s.entry >> 40 AND a.seq = s.entry & ((1 << 40) - 1)"
    " AND a.conflict = 'OTHER_ENTRY')"
)

Row = dict[str, Any]


class _Stay(NamedTuple):
    """What a stay was charged, and the event that ended it, None in both for none."""

    entry: int
    entry_ms: int
    fee: int | None
    adjusted: int
    skeleton: bytes | None
    sealed: bytes | None


def due(connection: sqlite3.Connection, conflict: Row, zone: tzinfo) -> int | None:
    """What is still to be taken because of a conflict, below 0 what is to be given back.

    `conflict` is a row of the view `conflicts`. None where nothing is left, or nobody can tell.
    """
    match conflict["kind"]:
        case "OTHER_ENTRY":
            stay = _stay(connection, _OF_ENTRY, conflict["about"])
            return _left(connection, stay, zone) if stay is not None else None
        case "ENDED_NOTHING" | "GAVE_WAY" if conflict["fee"]:
            named = (conflict["plate_id"], conflict["camera_type"], conflict["stay"])
            stay = _stay(connection, _OF_ID, *named)
            given_back = min(0, stay.adjusted) if stay is not None else 0
            return min(0, -int(conflict["fee"]) - given_back) or None
    return None


def part_charged(connection: sqlite3.Connection, zone: tzinfo) -> list[int]:
    """Entries of stays with an OTHER_ENTRY that was charged for and is not settled by that.

    As the places of these entries in the log; without those that were acknowledged.
    """
    charged = [_Stay(*row) for row in connection.execute(_CHARGED)]
    return [stay.entry for stay in charged if _left(connection, stay, zone) is not None]


def _stay(connection: sqlite3.Connection, query: str, *named: object) -> _Stay | None:
    row = connection.execute(query, named).fetchone()
    return _Stay(*row) if row is not None else None


def _left(connection: sqlite3.Connection, stay: _Stay, zone: tzinfo) -> int | None:
    """What a stay that was priced from another entry was charged too little, None for nothing."""
    right = _right_fee(connection, stay, zone)
    return (right - (stay.fee or 0) - stay.adjusted or None) if right is not None else None


def _right_fee(connection: sqlite3.Connection, stay: _Stay, zone: tzinfo) -> int | None:
    """What the exit of a stay had charged, had it known the entry that counts."""
    if stay.skeleton is None or stay.sealed is None:
        return None
    try:
        event = read(stay.skeleton, stay.sealed)
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
    return charges.due(event.facts, event.timestamp, stay.entry_ms, tariff, zone)
