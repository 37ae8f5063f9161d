"""What gates ask of the events held here by what they come to: by act, lane, readable id, vehicle.

What is not written yet is part of each answer, or the caller has it written first.
"""

import sqlite3

from zparkd.core.events.event import Event, Kind, VehicleKey
from zparkd.storage.event_table import EventTable, sound
from zparkd.storage.keys import act_key
from zparkd.storage.projection.following import Following


class Answers:
    """Finds events. Reads only."""

    def __init__(
        self, connection: sqlite3.Connection, events: EventTable, projection: Following
    ) -> None:
        self._run = connection.execute
        self._events = events
        self._projection = projection

    def acts(self, edge_id: str, request_id: str) -> list[Event]:
        """All events that this edge caused with this request, oldest first."""
        unwritten = self._projection.unwritten.acts(edge_id, request_id)
        rows = self._run("SELECT at FROM acts WHERE act=?", (act_key(edge_id, request_id),))
        written = rows.fetchall()
        if not (unwritten or written):
            return []
        keys = [*unwritten, *(at for (at,) in written)]
        found = [e for e in self._events.events(keys) if e.act == (edge_id, request_id)]
        return sorted(found, key=lambda event: event.key)

    def opens_of(self, edge_id: str, limit: int) -> list[Event]:
        """What this edge opened for last, the one that came last to be held here first.

        Without what means nothing any more.
        """
        keys = self._projection.unwritten.opens(edge_id, limit)
        rows = self._run(
            "SELECT e.skeleton, e.sealed"
            " FROM (SELECT no, at FROM opens WHERE edge_id=? ORDER BY no DESC LIMIT ?) o"
            " JOIN events e ON e.at = o.at WHERE e.edge_id IS NOT NULL ORDER BY o.no DESC",
            (edge_id, limit - len(keys)),
        )
        return [*self._events.events(keys), *sound(rows)]

    def inside_since(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The entry of a vehicle that is inside, if its readable id is made of these."""
        for vehicle in self._projection.vehicles.of_plate(plate_id).values():
            stay = vehicle.open.stay if vehicle.open is not None else None
            # One that was corrected to this plate keeps the id that it had.
            if stay is None or stay.id_plate not in (None, plate_id):
                continue
            if (stay.entry.origin, stay.entry_ms) == (origin, timestamp):
                return self._events.event(stay.entry)
        return None

    def find(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The event whose readable id is made of these, of those whose places are written."""
        rows = self._run(
            "SELECT e.skeleton, e.sealed FROM places p JOIN events e ON e.at = p.at"
            " WHERE p.timestamp=? AND p.place >= ?"
            " AND p.vehicle IN (SELECT no FROM vehicles WHERE plate_id=?)",
            (timestamp, timestamp, plate_id),
        )
        for event in sound(rows):
            named = event.kind != Kind.ENTRY and event.names is not None
            if event.position.origin == origin and not named:
                return event
        return None

    def beyond(self, vehicle: VehicleKey, order: int) -> Event | None:
        """An event of a vehicle whose own `order` is later, of those whose places are written."""
        rows = self._projection.vehicles.placed_after(vehicle, order)
        return next((event for event in sound(rows) if event.order > order), None)
