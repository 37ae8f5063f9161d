"""The tables of corrections: which event is about which, and the vehicles that have to do with any.

An event stands under the vehicle that it says itself, whatever corrections make of it; so acts, ids
and stamps are found as ever. Only its stay is another's. A vehicle that corrections have to do with
is `corrected` for good: it is folded from all that is gathered here, never one step at a time.

    corrections   a correction that does not wait, and the event that it names
    corrected     the vehicles of what is corrected, and those that it was said to be of
    charges       each charge that is not void: how much, and for which stay, if there is one
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

from zparkd.core.events.event import ERASED, Event, Kind, Position, read
from zparkd.core.stays.corrections import ACTS, CORRECTIONS, NAMING
from zparkd.core.stays.erasure import forgotten
from zparkd.storage.keys import act_key

_ACTS = tuple(kind.value for kind in sorted(ACTS))
_NAMING = frozenset(kind.value for kind in NAMING)
_CORRECTIONS = tuple(kind.value for kind in sorted(CORRECTIONS))
_ROW = "e.at, e.skeleton, e.sealed, d.verdict, d.instead, d.vehicle"
_OF_VEHICLE = (
    f"SELECT {_ROW}, p.place, p.timestamp FROM places p JOIN events e ON e.at = p.at"
    " LEFT JOIN verdicts d ON d.at = p.at"
    " WHERE p.vehicle=? AND (p.place, p.timestamp, p.at) > (?,?,?) AND e.kind NOT IN (?,?,?)"
    " ORDER BY p.place, p.timestamp, p.at LIMIT ?"
)
_ABOUT = (
    f"SELECT {_ROW} FROM corrections c JOIN events e ON e.at = c.at"
    " LEFT JOIN verdicts d ON d.at = e.at WHERE c.named=?"
)
_CORRECTED_INTO = (
    "SELECT DISTINCT t.vehicle FROM places p JOIN corrections c ON c.at = p.at"
    " JOIN events e ON e.at = p.at JOIN places t ON t.at = c.named WHERE p.vehicle=? AND e.kind=?"
)


class GatheredRow(NamedTuple):
    """An event, and what the tables say became of it, under which vehicle."""

    at: int
    skeleton: bytes
    personal: bytes
    verdict: str | None
    instead: int | None
    judged_under: int | None


class Corrections:
    """Reads and writes the tables. All within the caller's transaction."""

    def __init__(
        self, connection: sqlite3.Connection, at: Callable[[Position], int | None]
    ) -> None:
        """`at` gives the key of a position in this database, None where it has none."""
        self._at = at
        cursor = connection.cursor()
        cursor.row_factory = None
        self._run = cursor.execute
        self.reload()

    def reload(self) -> None:
        """Read again which vehicles are corrected: a transaction was undone."""
        self.vehicles = {no for (no,) in self._run("SELECT vehicle FROM corrected").fetchall()}

    # --- what is about what

    def add(self, at: int, named: int) -> set[int]:
        """Keep that a correction is about an event; the vehicles that have to do with it."""
        self._run("INSERT OR REPLACE INTO corrections VALUES (?,?)", (at, named))
        found = self.concerned(at)
        for vehicle in found:
            self.concern(vehicle)
        return found

    def read(self, skeleton: bytes, personal_part: bytes) -> Event:
        """An event, of the vehicle without a name where it was erased. Raises ProtocolError."""
        event = read(skeleton, personal_part)
        if personal_part != ERASED or event.facts is None:
            return event
        row = self._run(
            "SELECT plate FROM erased WHERE origin=? AND epoch=? AND seq=?", event.position
        ).fetchone()
        return forgotten(event, row[0]) if row is not None else event

    def concern(self, vehicle: int) -> None:
        """Have a vehicle be folded from all that bears on it, from now on."""
        if vehicle not in self.vehicles:
            self._run("INSERT OR IGNORE INTO corrected VALUES (?)", (vehicle,))
            self.vehicles.add(vehicle)

    def remove(self, at: int) -> list[int]:
        """Forget a correction, or what corrects an event; the corrections that named it."""
        self._run("DELETE FROM charges WHERE at=?", (at,))
        self._run("DELETE FROM corrections WHERE at=?", (at,))
        about = [row[0] for row in self._run("SELECT at FROM corrections WHERE named=?", (at,))]
        self._run("DELETE FROM corrections WHERE named=?", (at,))
        return about

    def holds(self, at: int) -> bool:
        """Whether a correction is kept, that is: it does not wait."""
        return self._run("SELECT 1 FROM corrections WHERE at=?", (at,)).fetchone() is not None

    def concerned(self, at: int) -> set[int]:
        """The vehicles that have to do with an event, or with what corrections name in the end.

        Those under which it stands, and those that a CORRECTED says of it, of the act that it is
        of, or of the entry that it or another record of its act names.
        """
        seen = set()
        while at not in seen:
            seen.add(at)
            row = self._run("SELECT named FROM corrections WHERE at=?", (at,)).fetchone()
            if row is None:
                break
            at = row[0]
        vehicles = {self._vehicle(at)}
        for mate in self._mates(at):
            for number, kind in self._run(
                "SELECT p.vehicle, e.kind FROM corrections c JOIN events e ON e.at = c.at"
                " JOIN places p ON p.at = c.at WHERE c.named=?",
                (mate,),
            ).fetchall():
                if kind == Kind.CORRECTED.value:
                    vehicles.add(number)
        return {number for number in vehicles if number is not None}

    def _mates(self, at: int) -> set[int]:
        """The events of the same act, and those of the acts of the entries that they name.

        Which record of an act counts says also whether an exit ends the stay of its entry.
        """
        mates = self._act(at)
        entries = {self._named(mate) for mate in mates}
        return mates.union(*(self._act(entry) for entry in entries if entry is not None))

    def _named(self, at: int) -> int | None:
        """The entry that an event names which goes where that goes."""
        row = self._run("SELECT kind, skeleton, sealed FROM events WHERE at=?", (at,)).fetchone()
        if row is None or row[0] not in _NAMING:
            return None
        event = read(row[1], row[2])
        return self._at(event.names) if event.names is not None else None

    def _vehicle(self, at: int) -> int | None:
        row = self._run("SELECT vehicle FROM places WHERE at=?", (at,)).fetchone()
        return row[0] if row is not None else None

    def _act(self, at: int) -> set[int]:
        """The events of the same act, with this one."""
        act = self._run(
            "SELECT e.edge_id, e.request_id, p.vehicle FROM events e JOIN places p ON p.at = e.at"
            " WHERE e.at=? AND e.request_id IS NOT NULL",
            (at,),
        ).fetchone()
        if act is None:
            return {at}
        rows = self._run(
            "SELECT a.at FROM acts a JOIN events e ON e.at = a.at JOIN places p ON p.at = a.at"
            " WHERE a.act=? AND e.edge_id=? AND e.request_id=? AND p.vehicle=? AND e.kind IN (?,?)",
            (act_key(*act[:2]), *act, *_ACTS),
        )
        return {at, *(mate for (mate,) in rows.fetchall())}

    def about(self, at: int) -> list[tuple[bytes, bytes]]:
        """The corrections that name an event or its act: skeletons and personal parts."""
        return [
            row
            for mate in self._act(at)
            for row in self._run(
                "SELECT e.skeleton, e.sealed FROM corrections c JOIN events e ON e.at = c.at"
                " WHERE c.named=?",
                (mate,),
            ).fetchall()
        ]

    def standing_under(self, plate_id: str) -> list[int]:
        """The vehicles under which an event can stand that says this plate."""
        rows = self._run("SELECT no FROM vehicles WHERE plate_id=?", (plate_id,)).fetchall()
        numbers = {no for (no,) in rows}
        for number in numbers & self.vehicles:
            numbers |= set(self.sources(number))
        return sorted(numbers)

    def touched(self, at: int, number: int) -> set[int]:
        """The vehicles to fold again for an event of a corrected vehicle."""
        return {number} | self.concerned(at)

    # --- what is gathered for one vehicle

    def sources(self, number: int) -> list[int]:
        """The vehicles under which events of this one stand: itself, and others for moved ones."""
        rows = self._run(_CORRECTED_INTO, (number, Kind.CORRECTED.value)).fetchall()
        return [number, *sorted({no for (no,) in rows} - {number})]

    def gather(self, number: int, at_once: int) -> Iterator[list[GatheredRow]]:
        """All events from which a corrected vehicle is folded, about so many at a time."""
        about = []
        for source in self.sources(number):
            after = (-1, -1, -1)
            while True:
                rows = self._run(_OF_VEHICLE, (source, *after, *_CORRECTIONS, at_once)).fetchall()
                events = [GatheredRow(*row[:6]) for row in rows]
                about += [row.at for row in events]
                yield events
                if len(rows) < at_once:
                    break
                after = (*rows[-1][6:], rows[-1][0])
        while about:
            found = [
                GatheredRow(*row) for at in about for row in self._run(_ABOUT, (at,)).fetchall()
            ]
            yield found
            about = [row.at for row in found]

    def last_place(self, number: int) -> int:
        """The highest place among the events of a corrected vehicle."""
        places = [
            self._run("SELECT max(place) FROM places WHERE vehicle=?", (source,)).fetchone()[0]
            for source in self.sources(number)
        ]
        return max(place or 0 for place in places)

    # --- charges

    def charge(self, at: int, charge: Event, stay: int | None, *, counts: bool) -> None:
        """Write which stay a charge is for; one that does not count, being void, is none."""
        if not counts:
            self._run("DELETE FROM charges WHERE at=?", (at,))
            return
        assert charge.facts is not None
        values = (at, charge.facts.amount, charge.facts.currency, charge.timestamp, stay)
        self._run("INSERT OR REPLACE INTO charges VALUES (?,?,?,?,?)", values)
