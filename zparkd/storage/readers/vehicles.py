"""A vehicle's whole story: its stays, and below them all that was ever recorded of it.

To it belongs what was recorded under another plate and corrected since, and what people said of any
of it; and what stands under this plate and was another vehicle.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, read
from zparkd.core.plates import Fit, Wanted, likeness
from zparkd.core.stays.corrections import CORRECTIONS
from zparkd.storage.keys import key_of
from zparkd.storage.readers.stays import StayFilter, stays
from zparkd.storage.schema.corrections import STAY_ID

_ROW = "e.at, e.skeleton, e.sealed, d.verdict, d.instead"
_EVENTS = (
    f"SELECT {_ROW} FROM places p JOIN events e ON e.at = p.at LEFT JOIN verdicts d ON d.at = p.at"
    " WHERE p.vehicle IN (SELECT no FROM vehicles WHERE plate_id = :plate)"
    " ORDER BY p.place DESC, p.timestamp DESC LIMIT :limit"
)
_MOVED_HERE = (
    f"SELECT {_ROW} FROM sessions s JOIN vehicles v ON v.no = s.vehicle"
    " JOIN places p ON p.at IN (s.entry, s.closer) JOIN events e ON e.at = p.at"
    " LEFT JOIN verdicts d ON d.at = e.at"
    " WHERE v.plate_id = :plate AND p.vehicle <> s.vehicle ORDER BY p.place DESC LIMIT :limit"
)
# Corrections of an event, and what a correction is about.
_ABOUT = (
    f"SELECT {_ROW} FROM corrections c"
    " JOIN events e ON (c.named = :at AND e.at = c.at) OR (c.at = :at AND e.at = c.named)"
    " LEFT JOIN verdicts d ON d.at = e.at WHERE c.named = :at OR c.at = :at"
)
_BESIDE = (
    f"SELECT {_ROW} FROM places o JOIN places p ON p.vehicle = o.vehicle"
    " JOIN events e ON e.at = p.at LEFT JOIN verdicts d ON d.at = e.at"
    " WHERE o.at = :at AND p.place >= o.place"
    " AND e.kind <> 'VEHICLE_ENTRY_PENDING' ORDER BY p.place LIMIT :limit"
)
_STAY = (
    f"SELECT s.entry, s.closer, {STAY_ID}"
    " FROM sessions s JOIN vehicles v ON v.no = s.vehicle JOIN streams eo ON eo.no = s.entry >> 40"
    " WHERE "
)
_STEPS = 4  # an entry that does not count leads to the one that does in fewer
_NEAREST = 5
_EVERY_PLATE = "SELECT DISTINCT plate_id FROM vehicles WHERE plate_id NOT LIKE '?%'"
_LOOKED_AT = 1_000  # plates, for who came last of those that fit as well
_FOUND = (
    "SELECT v.plate_id, v.camera_type, count(s.id) AS stays, max(s.entry_ms) AS entry_ms,"
    " s.plate_view, coalesce(max(s.closed_by IS NULL AND s.id IS NOT NULL), 0) AS inside"
    " FROM vehicles v LEFT JOIN sessions s ON s.vehicle = v.no"
    " WHERE v.plate_id IN (SELECT value FROM json_each(?)) GROUP BY v.no"
)
_LENGTHS = (
    "SELECT DISTINCT plate_id FROM vehicles WHERE length(plate_id) BETWEEN ? AND ?"
    " AND plate_id NOT LIKE '?%'"
)


class Judged(NamedTuple):
    """An event, what it came to where that is no stay, and the id of the stay it counts for."""

    event: Event
    verdict: str | None
    stay: str | None


class Story(NamedTuple):
    """The stays and the events of the vehicles with one plate, oldest first."""

    stays: list[dict[str, Any]]
    events: list[Judged]


def story(
    connection: sqlite3.Connection, plate_id: str, limit: int, camera_type: str | None = None
) -> Story:
    """The newest `limit` stays, and as many events, of the vehicles with one plate.

    Events that this version can't read are left out. Of one type of vehicle, where it is said.
    """
    found = stays(connection, StayFilter(plate_id=plate_id, camera_type=camera_type), limit)
    rows = {row["at"]: row for row in _rows(connection, plate_id, limit)}
    events: dict[int, Event] = {}
    for at, row in rows.items():
        try:
            events[at] = read(row["skeleton"], row["sealed"])
        except ProtocolError:  # kept for other readers
            continue
    counting = _Counting(connection, {at: row["instead"] for at, row in rows.items()})
    judged = [
        Judged(event, rows[at]["verdict"], counting.stay(at, event))
        for at, event in sorted(events.items(), key=lambda it: it[1].key)
        if camera_type is None or event.vehicle is None or event.vehicle[0] == camera_type
    ]
    return Story(found[::-1], judged)


def nearest(connection: sqlite3.Connection, plate_id: str) -> list[str]:
    """The plates that are known here and that this one could be a misspelling of, best first."""
    size = len(plate_id)
    found = []
    for (known,) in connection.execute(_LENGTHS, (size - 1, size + 1)):
        alike = likeness(plate_id, known)
        if alike is not None:
            found.append((-alike.match, known))
    return [known for _, known in sorted(found)[:_NEAREST]]


def find(
    connection: sqlite3.Connection, asked: str, limit: int
) -> tuple[list[tuple[Fit, dict[str, Any]]], int]:
    """The vehicles that fit a plate or a part of one, the best and the latest first.

    At most `limit`, each with how it fits; and how many plates there are in all. Every plate that
    an event was recorded for is looked at, whether it has a stay or not.
    """
    wanted = Wanted(asked)
    fits: dict[str, Fit] = {}
    for (plate_id,) in connection.execute(_EVERY_PLATE):
        fit = wanted.fit(plate_id)
        if fit is not None:
            fits[plate_id] = fit
    best = sorted(fits, key=lambda plate_id: (fits[plate_id], plate_id))
    rows = [
        (fits[row["plate_id"]], dict(row))
        for row in connection.execute(_FOUND, (orjson.dumps(best[:_LOOKED_AT]).decode(),))
    ]
    rows.sort(key=lambda found: (found[0], -(found[1]["entry_ms"] or 0), found[1]["plate_id"]))
    return rows[:limit], len(fits)


def _rows(connection: sqlite3.Connection, plate_id: str, limit: int) -> Iterator[sqlite3.Row]:
    """The events of a plate, those moved to it, and what people said of either."""
    values = {"plate": plate_id, "limit": limit}
    moved = connection.execute(_MOVED_HERE, values).fetchall()
    rows = [*connection.execute(_EVENTS, values).fetchall(), *moved]
    for row in moved:
        rows += _naming(connection, row, limit)
    seen: set[int] = set()
    while rows:
        yield from rows
        seen |= {row["at"] for row in rows}
        said = [it for row in rows for it in connection.execute(_ABOUT, {"at": row["at"]})]
        rows = [row for row in said if row["at"] not in seen]


def _naming(
    connection: sqlite3.Connection, entry: sqlite3.Row, limit: int
) -> Iterator[sqlite3.Row]:
    """What names an entry: it went with it where that was moved."""
    try:
        position = read(entry["skeleton"], entry["sealed"]).position
        for row in connection.execute(_BESIDE, {"at": entry["at"], "limit": limit}):
            if read(row["skeleton"], row["sealed"]).names == position:
                yield row
    except ProtocolError:
        return


class _Counting:
    """For which stay each event of a vehicle counts. Events are known by their keys here."""

    def __init__(self, connection: sqlite3.Connection, instead: dict[int, int | None]) -> None:
        self._run = connection.execute
        self._instead = instead
        self._streams = {
            (origin, epoch): number
            for number, origin, epoch in connection.execute("SELECT no, origin, epoch FROM streams")
        }

    def stay(self, at: int | None, event: Event | None) -> str | None:
        """The readable id of the stay; None where it counts for none."""
        for _ in range(_STEPS):
            if at is None or event is None:
                return None
            if event.kind == Kind.ENTRY:
                return self._of_entry(at)
            if event.kind == Kind.EXIT or event.kind in (Kind.CLOSED, Kind.NOT_TAKEN):
                return self._ended_by(at) or self._ended_by(self._instead.get(at))
            if event.kind != Kind.CONFIRM and event.kind not in CORRECTIONS:
                return None
            at = self._at(event.names)
            event = self._event(at)
        return None

    def _event(self, at: int | None) -> Event | None:
        row = self._run("SELECT skeleton, sealed FROM events WHERE at = ?", (at,)).fetchone()
        try:
            return read(row[0], row[1]) if row is not None else None
        except ProtocolError:
            return None

    def _of_entry(self, at: int | None) -> str | None:
        for _ in range(_STEPS):
            if at is None:
                break
            row = self._run(f"{_STAY} s.entry = ?", (at,)).fetchone()
            if row is not None:
                return str(row[2])
            at = self._instead.get(at) or self._instead_of(at)
        return None

    def _instead_of(self, at: int) -> int | None:
        row = self._run("SELECT instead FROM verdicts WHERE at = ?", (at,)).fetchone()
        return row[0] if row is not None else None

    def _ended_by(self, at: int | None) -> str | None:
        row = self._run(f"{_STAY} s.closer = ?", (at,)).fetchone() if at is not None else None
        return str(row[2]) if row is not None else None

    def _at(self, position: Position | None) -> int | None:
        if position is None:
            return None
        number = self._streams.get((position.origin, position.epoch))
        return key_of(number, position.seq) if number is not None else None
