"""The vehicles met lately, as far as the next event of one needs to know them.

The number of a vehicle, the highest places among its events, and its open stay. All of it is in the
tables too, or is written there before it is forgotten here, and then it is read from there again.
Bounded; the plate not asked for longest goes first.
"""

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass

from zparkd.core import limits
from zparkd.core.events.event import VehicleKey
from zparkd.core.log import HeldStay
from zparkd.core.stays.fold import Verdict
from zparkd.storage.projection.stay_table import Stays
from zparkd.storage.projection.unwritten import Unwritten

_STAMPS_AT_ONCE = 64
_FEW_NEWEST = 8
_NEWEST = (
    "SELECT p.place, d.verdict IS NOT NULL FROM places p"
    " LEFT JOIN verdicts d ON d.at = p.at AND d.verdict = ?"
    " WHERE p.vehicle=? ORDER BY p.place DESC LIMIT ?"
)


@dataclass(slots=True)
class Vehicle:
    """One vehicle. `last_place` is 0 where it has no events; `open` its open stay.

    No event but those that wait for another one stands after `folded`. One that is not `met` has no
    event yet, nor ever had one.
    """

    no: int
    key: VehicleKey
    last_place: int
    folded: int
    open: HeldStay | None
    met: bool = True

    def placed(self, place: int) -> None:
        """An event that waits for none stands at this place."""
        self.last_place = max(self.last_place, place)
        self.folded = max(self.folded, place)


class Vehicles:
    """Vehicles by plate and by number. Who changes a vehicle's stays changes `open` with them."""

    def __init__(self, connection: sqlite3.Connection, stays: Stays, unwritten: Unwritten) -> None:
        self._run = connection.execute
        self._stays = stays
        self._unwritten = unwritten
        self.forget()

    def forget(self) -> None:
        """A transaction was undone: what is remembered may never have been."""
        self._plates: OrderedDict[str, dict[str, Vehicle]] = OrderedDict()
        row = self._run("SELECT coalesce(max(no), 0) FROM vehicles").fetchone()
        self._last_no: int = row[0]

    def trim(self) -> None:
        """Forget the plates beyond the bound, where all is written that is known of them."""
        while not self._unwritten and len(self._plates) > limits.PLATES_REMEMBERED:
            self._plates.popitem(last=False)

    def changed(self, no: int) -> None:
        """The highest place of a vehicle may have gone down: read it again when it is asked for."""
        row = self._run("SELECT plate_id FROM vehicles WHERE no=?", (no,)).fetchone()
        self._plates.pop(row[0], None)

    def of_plate(self, plate_id: str) -> dict[str, Vehicle]:
        """All vehicles with this plate, by type."""
        known = self._plates.get(plate_id)
        if known is not None:
            self._plates.move_to_end(plate_id)
            return known
        rows = self._run("SELECT no, camera_type FROM vehicles WHERE plate_id=?", (plate_id,))
        known = {
            camera_type: Vehicle(
                no,
                VehicleKey(camera_type, plate_id),
                *self._last_places(no),
                self._stays.open_of(no),
            )
            for no, camera_type in rows.fetchall()
        }
        self._plates[plate_id] = known
        self.trim()
        return known

    def _last_places(self, no: int) -> tuple[int, int]:
        """Of all events of a vehicle, and of those that do not wait, as far as a few tell."""
        rows = self._run(_NEWEST, (Verdict.WAITING.value, no, _FEW_NEWEST)).fetchall()
        last: int = rows[0][0] if rows else 0
        if len(rows) == _FEW_NEWEST:  # older ones may stand anywhere below
            return last, next((place for place, waits in rows if not waits), last)
        return last, max((place for place, waits in rows if not waits), default=0)

    def get(self, key: VehicleKey) -> Vehicle:
        """The vehicle with this key; a new one where it was never met."""
        known = self.of_plate(key.plate_id)
        vehicle = known.get(key.camera_type)
        if vehicle is None:
            self._last_no += 1
            self._unwritten.vehicle(self._last_no, key.plate_id, key.camera_type)
            vehicle = Vehicle(self._last_no, key, 0, 0, None, met=False)
            known[key.camera_type] = vehicle
        return vehicle

    def numbered(self, no: int) -> Vehicle:
        """The vehicle with this number."""
        row = self._run("SELECT camera_type, plate_id FROM vehicles WHERE no=?", (no,))
        return self.get(VehicleKey(*row.fetchone()))

    def free_stamp(self, plate_id: str, from_ms: int) -> int:
        """The first time stamp, `from_ms` or later, that no event of this plate carries."""
        newest = max((known.last_place for known in self.of_plate(plate_id).values()), default=0)
        width = _STAMPS_AT_ONCE
        if from_ms > newest:  # no event carries a time stamp after its place
            return from_ms
        unwritten = self._unwritten.stamps(known.no for known in self.of_plate(plate_id).values())
        while from_ms <= newest:
            rows = self._run(
                "SELECT timestamp FROM places WHERE place >= ? AND timestamp >= ? AND timestamp < ?"
                " AND vehicle IN (SELECT no FROM vehicles WHERE plate_id=?)",
                (from_ms, from_ms, from_ms + width, plate_id),
            )
            taken = {timestamp for (timestamp,) in rows} | unwritten
            free = next((ms for ms in range(from_ms, from_ms + width) if ms not in taken), None)
            if free is not None:
                return free
            from_ms += width
            width *= _STAMPS_AT_ONCE  # each question reads all that is placed later: few of them
        return from_ms

    def placed_after(self, key: VehicleKey, place: int) -> list[tuple[bytes, bytes]]:
        """The first events of a vehicle after a place, of those whose places are written."""
        known = self.of_plate(key.plate_id).get(key.camera_type)
        return self._run(
            "SELECT e.skeleton, e.sealed FROM places p JOIN events e ON e.at = p.at"
            " WHERE p.vehicle=? AND p.place>? ORDER BY p.place, p.timestamp LIMIT ?",
            (known.no if known is not None else None, place, limits.EVENTS_PER_PIECE),
        ).fetchall()
