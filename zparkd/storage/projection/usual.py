"""The usual event: the next of its vehicle, about the stay that is open, and no act again.

Nearly every event is one. It advances its vehicle by one step of the table in `core.stays.fold` and
writes nothing: its rows follow later, see `Unwritten`.
"""

import sqlite3

from zparkd.core.events.event import Event, Kind
from zparkd.core.stays.corrections import NAMING
from zparkd.core.stays.fold import advanced
from zparkd.storage.keys import act_key
from zparkd.storage.projection.unwritten import Unwritten
from zparkd.storage.projection.vehicle_table import Vehicle
from zparkd.storage.stream_table import Streams


class Usual:
    """Tells the usual event from others, and takes its step."""

    def __init__(
        self, connection: sqlite3.Connection, streams: Streams, unwritten: Unwritten
    ) -> None:
        self._run = connection.execute
        self._streams = streams
        self._unwritten = unwritten

    def is_next(self, event: Event, own: Vehicle, *, new_act: bool) -> bool:
        """Whether an event is such a one, of its own vehicle; no event waits for it.

        With `new_act` it is known to be the first of its act.
        """
        held = own.open
        if event.kind == Kind.ENTRY:
            usual = held is None and event.names is None and event.order > own.folded
            # A vehicle without events has none that this one could repeat.
            return usual and (new_act or not own.met or not self._acted_before(event))
        if event.kind not in NAMING:
            return True
        if held is None or held.stay.entry != event.names:
            return False
        if event.kind == Kind.CONFIRM:
            return True
        place = max(held.stay.entry_order, event.order)
        return place > own.folded and (new_act or not self._acted_before(event))

    def _acted_before(self, event: Event) -> bool:
        """Whether another event seems to be of the same act."""
        edge_id, request_id = event.act
        if edge_id is None or request_id is None:
            return False
        if self._unwritten.acts(edge_id, request_id):
            return True
        found = self._run("SELECT 1 FROM acts WHERE act=? LIMIT 1", (act_key(edge_id, request_id),))
        return found.fetchone() is not None

    def step(self, event: Event, own: Vehicle, at: int) -> None:
        """Take the step of a usual event with this key."""
        held, place = own.open, event.order
        if event.kind in NAMING:
            assert held is not None
            place = max(place, held.stay.entry_order)
        own.placed(place)
        self._unwritten.place(at, own.no, place, event.timestamp)
        if held is None and event.kind != Kind.ENTRY:
            return
        stay = advanced(own.key, held.stay if held is not None else None, event)
        assert stay is not None
        if held is None:
            own.open = self._unwritten.opened(at, stay, own.no)
        elif stay is not held.stay:
            entry = self._streams.at(stay.entry)
            assert entry is not None
            changed = self._unwritten.changed(entry, held, stay)
            own.open = changed if stay.closed_by is None else None
