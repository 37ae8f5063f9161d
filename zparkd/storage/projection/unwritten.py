"""What the events held come to and the tables do not say yet: rows that are written later, at once.

The usual event changes only this. Its rows follow its commit within moments, those of many events
in one transaction, and an entry, its confirmation and its exit are then one row. Whatever else
asks the tables, or changes them, has all of it written first.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator

from zparkd.core.events.event import Event, Kind
from zparkd.core.log import HeldStay
from zparkd.core.stays.fold import Stay
from zparkd.storage.keys import act_key
from zparkd.storage.projection.stay_table import Stays

OPENS = frozenset((Kind.ENTRY, Kind.EXIT, Kind.MANUAL))  # what a barrier is opened for
_VEHICLE = "INSERT INTO vehicles (no, plate_id, camera_type) VALUES (?,?,?)"
_PLACE = "INSERT INTO places (at, vehicle, place, timestamp) VALUES (?,?,?,?)"
_ACT = "INSERT OR IGNORE INTO acts (act, at) VALUES (?,?)"
_OPEN = "INSERT INTO opens (edge_id, no, at) VALUES (?,?,?)"
Act = tuple[str | None, str | None]


class Unwritten:
    """Rows of vehicles, places, stays, acts and opens that are in no table yet."""

    def __init__(self, connection: sqlite3.Connection, stays: Stays) -> None:
        self._many = connection.executemany
        self._stays = stays
        self.forget()

    def forget(self) -> None:
        """A transaction was undone: what these came of may never have been."""
        self._vehicles: list[tuple[int, str, str]] = []
        self._places: list[tuple[int, int, int, int]] = []
        self._acts: defaultdict[Act, list[int]] = defaultdict(list)
        self._opens: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._new: dict[int, tuple[int, Stay]] = {}  # by id, with the number of the vehicle
        self._changed: dict[int, Stay] = {}  # of those that are in the table
        self._of_entry: dict[int, int] = {}  # the ids of all these by the keys of their entries

    def __bool__(self) -> bool:
        """Whether there is anything to write of vehicles or their stays."""
        return bool(self._places or self._vehicles)

    # --- what is to be written -----------------------------------------------------------------

    def vehicle(self, no: int, plate_id: str, camera_type: str) -> None:
        """A vehicle is new."""
        self._vehicles.append((no, plate_id, camera_type))

    def place(self, at: int, vehicle: int, place: int, timestamp: int) -> None:
        """An event stands under a vehicle, at a place."""
        self._places.append((at, vehicle, place, timestamp))

    def act(self, event: Event, at: int, no: int) -> None:
        """An event is an act of an edge; `no` is its number in the order of arrival."""
        edge_id, request_id = event.act
        if request_id is not None:
            self._acts[edge_id, request_id].append(at)
        if edge_id is not None and event.kind in OPENS:
            self._opens[edge_id].append((no, at))

    def opened(self, at: int, stay: Stay, vehicle: int) -> HeldStay:
        """The entry at `at` opened a stay, which gets an id."""
        held = HeldStay(self._stays.next_id(), stay)
        self._new[held.id] = vehicle, stay
        self._of_entry[at] = held.id
        return self._stays.tell(held)

    def changed(self, at: int, held: HeldStay, stay: Stay) -> HeldStay:
        """The stay of the entry at `at`, which was open, is now this one."""
        new = self._new.get(held.id)
        if new is not None:
            self._new[held.id] = new[0], stay
        else:
            self._changed[held.id] = stay
            self._of_entry[at] = held.id
        return self._stays.tell(HeldStay(held.id, stay))

    # --- what is asked of it -------------------------------------------------------------------

    def of_entry(self, at: int) -> HeldStay | None:
        """The stay for which the event at `at` counts, where it is one of these."""
        id = self._of_entry.get(at)
        if id is None:
            return None
        new = self._new.get(id)
        return HeldStay(id, new[1] if new is not None else self._changed[id])

    def acts(self, edge_id: str, request_id: str) -> list[int]:
        """The keys of the events of an act."""
        return self._acts.get((edge_id, request_id), [])

    def opens(self, edge_id: str, limit: int) -> list[int]:
        """The keys of the newest events that an edge opened for, newest first."""
        return [at for _, at in self._opens.get(edge_id, ())[-limit:]][::-1]

    def stamps(self, vehicles: Iterable[int]) -> set[int]:
        """The time stamps of the events of some vehicles."""
        wanted = set(vehicles)
        return {timestamp for _, no, _, timestamp in self._places if no in wanted}

    def held(self) -> Iterator[HeldStay]:
        """The stays of these rows."""
        yield from (HeldStay(id, stay) for id, (_, stay) in self._new.items())
        yield from (HeldStay(id, stay) for id, stay in self._changed.items())

    @property
    def remarks(self) -> int:
        """How many conflicts of stays the table lacks: those that are open in it have none."""
        stays = (stay for _, stay in self._new.values())
        return sum(_conflicts(stay) for stay in (*stays, *self._changed.values()))

    # --- writing it ----------------------------------------------------------------------------

    def write(self) -> None:
        """Put all of it into the tables, and forget it."""
        if self._vehicles:
            self._many(_VEHICLE, self._vehicles)
        if self._places:
            self._many(_PLACE, self._places)
        if self._acts:
            self._many(
                _ACT,
                [(act_key(*act), at) for act, keys in self._acts.items() for at in keys],
            )
        if self._opens:
            self._many(
                _OPEN,
                [(edge, *open) for edge, opens in self._opens.items() for open in opens],
            )
        if self._new:
            self._stays.insert_many((id, *new) for id, new in self._new.items())
        if self._changed:
            self._stays.go_on(self._changed.items())
        self.forget()


def _conflicts(stay: Stay) -> int:
    return sum(remark.is_conflict for remark in stay.remarks)
