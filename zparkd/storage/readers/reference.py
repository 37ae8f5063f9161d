"""Tariff, policy, passes and staff of the site as they are here, and how a stay was charged."""

import sqlite3
from typing import Any, NamedTuple

import orjson

from zparkd.core.events.event import Event, Position, read
from zparkd.core.policy import WATCH, written

Row = dict[str, Any]

_END = (
    "SELECT e.skeleton, e.sealed, h.closed_by FROM history h"
    " JOIN sessions s ON s.id = h.id LEFT JOIN events e ON e.at = s.closer"
    " WHERE h.plate_id = ? AND h.event_id = ?"
)
_TARIFF = (
    "SELECT t.version, t.document FROM tariffs t JOIN streams o ON o.no = t.at >> 40"
    " WHERE o.origin = ? AND o.epoch = ? AND t.at & ((1 << 40) - 1) = ?"
)


class StayEnd(NamedTuple):
    """How a stay ended: the event that did, None while the vehicle is inside; and by what."""

    event: Event | None
    by: str | None


class TariffHeld(NamedTuple):
    """A tariff that was set once: its version, and the document."""

    version: int
    document: Any


def site_tariff(connection: sqlite3.Connection) -> Row | None:
    """The tariff that counts: version, document, set_by and set_ms; None where none was set."""
    row = connection.execute("SELECT * FROM site_tariff").fetchone()
    return dict(row) | {"document": orjson.loads(row["document"])} if row is not None else None


def site_policy(connection: sqlite3.Connection) -> Row | None:
    """The policy that counts: version, document, set_by and set_ms; None where none was set."""
    row = connection.execute("SELECT * FROM site_policy").fetchone()
    if row is None:
        return None
    found = dict(row)
    document, watch = orjson.loads(found["document"]), found.pop("watch")
    if watch is not None:
        document[WATCH] = orjson.loads(watch)
    return found | {"document": written(document)}


def tariff_at(connection: sqlite3.Connection, position: Position) -> TariffHeld | None:
    """The tariff that the event at a position set; None where it is not here."""
    row = connection.execute(_TARIFF, position).fetchone()
    return TariffHeld(row[0], orjson.loads(row[1])) if row is not None else None


def passes(connection: sqlite3.Connection, plate_id: str | None = None) -> list[Row]:
    """The passes of the site by plate, also those that are over; only of `plate_id` where said."""
    query = (
        "SELECT * FROM site_passes WHERE coalesce(?, plate_id) = plate_id"
        " ORDER BY plate_id, camera_type, valid_from"
    )
    return [dict(row) for row in connection.execute(query, (plate_id,))]


def staff(connection: sqlite3.Connection) -> list[Row]:
    """The staff of the site by id."""
    rows = connection.execute("SELECT * FROM site_staff ORDER BY staff_id")
    return [dict(row) for row in rows]


def end_of_stay(connection: sqlite3.Connection, event_id: str) -> StayEnd | None:
    """How the stay with a readable id ended; None where there is no such stay.

    Raises ProtocolError where the event can't be read.
    """
    plate_id = event_id.rpartition("_")[2]
    row = connection.execute(_END, (plate_id, event_id)).fetchone()
    if row is None:
        return None
    if row["skeleton"] is None:
        return StayEnd(None, row["closed_by"])
    return StayEnd(read(row["skeleton"], row["sealed"]), row["closed_by"])
