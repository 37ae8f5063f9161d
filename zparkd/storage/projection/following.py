"""The projection as it follows the log: what events come to is known at once, and written later.

What the usual event comes to is `Unwritten` until it is written with that of others. The table
`projected` says up to which arrival the tables show what the events come to; what came after is
projected again at the next start, and comes to the same, ids too. Any other event has all that is
unwritten written first, and so has the end of its own transaction.
"""

import sqlite3
from collections.abc import Collection
from datetime import tzinfo

from zparkd.core.events.event import (
    Event,
    Position,
    VehicleKey,
)
from zparkd.core.events.ids import is_nameless
from zparkd.core.log import HeldStay
from zparkd.core.stays.corrections import CORRECTIONS, ENDINGS
from zparkd.core.stays.fold import ClosedBy
from zparkd.core.stays.plates_inside import PlatesInside
from zparkd.storage.event_table import EventTable
from zparkd.storage.projection.projector import Projection
from zparkd.storage.projection.usual import Usual
from zparkd.storage.projection.vehicle_table import Vehicle
from zparkd.storage.readers.conflicts import OpenConflicts
from zparkd.storage.stream_table import Streams


class Following(Projection):
    """A projection with a watermark. All that is written is part of the caller's transaction.

    `reached` is the number of the last arrival that is projected.
    """

    def __init__(self, connection: sqlite3.Connection, streams: Streams, log: EventTable) -> None:
        super().__init__(connection, streams)
        self._connection = connection
        self._log = log
        self._usual = Usual(connection, streams, self.unwritten)
        self._open_conflicts = OpenConflicts(connection)

    def reload(self) -> None:
        """Forget what is remembered: a transaction was undone.

        What arrived after `reached` is to be projected again.
        """
        super().reload()
        self.reached: int = self._run("SELECT up_to FROM projected").fetchone()[0]
        self._up_to: int = self.reached
        self._in_tables = False  # whether this transaction wrote what is of no usual event

    # --- an event ------------------------------------------------------------------------------

    def add(self, event: Event, at: int, no: int, *, new_act: bool = False) -> None:
        """Project an event that arrived as number `no`: the one after those that are projected.

        With `new_act` it is known to be the first of its act, and repeats none.
        """
        key = event.vehicle
        if key is None:
            self.unwritten.act(event, at, no)
            return
        own = self.vehicles.get(key)
        if is_nameless(key.plate_id):
            self.corrections.concern(own.no)
        usual = self._is_usual(event, own, new_act=new_act)
        own.met = True
        self.unwritten.act(event, at, no)
        if usual:
            self._usual.step(event, own, at)
            return
        self.to_tables()
        self._place_anywhere(event, own, at, new_act=new_act)

    def _is_usual(self, event: Event, own: Vehicle, *, new_act: bool) -> bool:
        if own.no in self._dirty or own.no in self._stuck or own.no in self.corrections.vehicles:
            return False
        if event.kind in CORRECTIONS or event.kind in ENDINGS:
            return False
        if self._waiting and self._is_waited_for(event.position):
            return False
        return self._usual.is_next(event, own, new_act=new_act)

    # --- the tables, and what follows them -----------------------------------------------------

    def projected(self, no: int) -> None:
        """All that arrived up to this number is projected."""
        self.reached = no

    @property
    def behind(self) -> int:
        """Of how many events the tables do not show yet what they come to."""
        return self.reached - self._up_to

    def write(self) -> None:
        """Have the tables show what all events come to that are projected."""
        self._log.flush()
        self.unwritten.write()
        if self._up_to != self.reached:
            self._run("UPDATE projected SET up_to=?", (self.reached,))
            self._up_to = self.reached
            self.vehicles.trim()

    def to_tables(self) -> None:
        """What follows reads the tables and writes to them; so all is written, now and at last."""
        self._in_tables = True
        self.write()

    def flush(self) -> None:
        """Owed before each commit: write what must be part of it."""
        if self._in_tables:
            self.write()
            self._in_tables = False
        super().flush()

    # --- what it comes to, written or not ------------------------------------------------------

    def entry_that_counts(self, entry: Position | None) -> int | None:
        """The `at` of the entry whose stay this one belongs to; None where it belongs to none."""
        at = self._streams.at(entry) if entry is not None else None
        if at is not None and self.unwritten.of_entry(at) is not None:
            return at
        return super().entry_that_counts(entry)

    def stay_of(self, entry: Position) -> HeldStay | None:
        """The stay that an entry belongs to, also where another one counts for it.

        Its vehicle is folded first where it is marked. One that counts no more belongs to none,
        also where that is not folded yet.
        """
        if self.unsettled and not self._settle_vehicle_of(entry):
            return None
        at = self.entry_that_counts(entry)
        if at is None:
            return None
        return self.unwritten.of_entry(at) or self.stays.of_entry(at)

    def _settle_vehicle_of(self, entry: Position) -> bool:
        """Fold the vehicle under which an event stands; whether it stands under any."""
        self.to_tables()
        row = self._run(
            "SELECT vehicle FROM places WHERE at=?", (self._streams.at(entry),)
        ).fetchone()
        if row is None or row[0] is None:
            return False
        self.settle_vehicle(row[0])
        return True

    def last_order(self, vehicle: VehicleKey) -> int:
        """The highest `order` among the events of a vehicle; 0 for none."""
        known = self.vehicles.of_plate(vehicle.plate_id).get(vehicle.camera_type)
        if known is None:
            return 0
        corrections = self.corrections
        if known.no in corrections.vehicles:
            return corrections.last_place(known.no)
        return known.last_place

    def inside(self, plate_id: str) -> list[HeldStay]:
        """The open stays of all vehicles with this plate, folded first where they are marked."""
        vehicles = self.vehicles.of_plate(plate_id).values()
        if self.unsettled:
            for vehicle in list(vehicles):
                self.settle_vehicle(vehicle.no)
            vehicles = self.vehicles.of_plate(plate_id).values()
        return [vehicle.open for vehicle in vehicles if vehicle.open is not None]

    @property
    def plates_inside(self) -> PlatesInside:
        """The plates of all open stays."""
        return self.stays.inside(self.unwritten.held())

    def not_taken(self, plate_id: str) -> list[HeldStay]:
        """The last stays of the vehicles with this plate on whose entry nobody drove in."""
        last: dict[VehicleKey, HeldStay] = {}
        for vehicle in self.vehicles.of_plate(plate_id).values():
            if (held := self.stays.last_of(vehicle.no)) is not None:
                last[vehicle.key] = held
        for held in self.unwritten.held():
            key = held.stay.vehicle
            newest = last.get(key, held).stay.entry_key
            if key.plate_id == plate_id and held.stay.entry_key >= newest:
                last[key] = held
        return [it for it in last.values() if it.stay.closed_by is ClosedBy.NOT_TAKEN]

    def unconfirmed(self, origin: str, edge_ids: Collection[str]) -> list[Position]:
        """The entries that an origin recorded at these edges: of open stays that none confirmed."""
        found = self.stays.unconfirmed(edge_ids)
        for held in self.unwritten.held():
            found.pop(held.id, None)
            waits = held.stay.closed_by is None and not held.stay.confirmed
            if waits and held.stay.edge_id in edge_ids:
                found[held.id] = held.stay.entry
        return [entry for entry in found.values() if entry.origin == origin]

    def not_projected(self) -> int:
        """How many events and vehicles the rules blow up on."""
        alone = self._run("SELECT count(*) FROM unprojected").fetchone()[0]
        return int(alone) + len(self._stuck)

    def open_conflicts(self, zone: tzinfo) -> int:
        """How many conflicts are open once all is written. `zone` is the site's."""
        return self._open_conflicts.count(zone) + self.unwritten.remarks
