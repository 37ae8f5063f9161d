"""The stays in the database, kept up to date event by event, in the order in which they arrived.

The rules are those of `core.stays.fold`; here is how they are applied to tables without reading
a vehicle's whole past each time. An event that comes after all others of its vehicle advances
the open stay by one step. Any other marks its vehicle, and `settle` folds that once, from the
stay in which the earliest such event falls. Both give the rows that `stays.project` gives.

Most events never come here, since they are usual ones: see `following`.

However long a vehicle's past is, `settle` does no more than it is told to: what is left is done
by the next, piece by piece, and is in the tables `unsettled` and `releases` with each commit.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Position
from zparkd.core.stays.corrections import ACTS, CORRECTIONS, ENDINGS, NAMING
from zparkd.core.stays.fold import ClosedBy, Fold, Verdict
from zparkd.storage.correction_table import Corrections
from zparkd.storage.keys import act_key
from zparkd.storage.projection.refold import JUDGE, Refold, claim
from zparkd.storage.projection.stay_table import Stays
from zparkd.storage.projection.unwritten import OPENS, Unwritten
from zparkd.storage.projection.vehicle_table import Vehicle, Vehicles
from zparkd.storage.stream_table import Streams

_NO_LONGER_WAITING = "DELETE FROM waiting WHERE origin=? AND epoch=? AND seq=? AND at=?"
_PLACE = "INSERT OR REPLACE INTO places (at, vehicle, place, timestamp) VALUES (?,?,?,?)"
# A lane closes behind what it opened for soon after, if at all: older arrivals are not looked at.
_ARRIVED_LATELY = 1_000
_OPENED = (
    "INSERT OR IGNORE INTO opens (edge_id, no, at) SELECT ?, no, at FROM arrivals"
    " WHERE at=? AND no > (SELECT max(no) FROM arrivals) - ?"
)
_ACTS = tuple(kind.value for kind in sorted(ACTS))
_NAMING = tuple(kind.value for kind in sorted(NAMING))
_CORRECTIONS = tuple(kind.value for kind in sorted(CORRECTIONS))
_FROM_THE_FIRST = -1
_AN_ENTRY_LEFT = -2  # from the first, once what names an entry that counts no more waits for it
_FEW_REPEATS = 8  # with more of one act its vehicle is folded from the first event on


class Projection(ABC):
    """Keeps sessions, verdicts and waiting right. All within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, streams: Streams) -> None:
        self.stays = Stays(connection, streams)
        self.unwritten = Unwritten(connection, self.stays)
        self.vehicles = Vehicles(connection, self.stays, self.unwritten)
        self.corrections = Corrections(connection, streams.at)
        self._refold = Refold(connection, streams, self.stays, self.vehicles, self.corrections)
        self._run = connection.execute
        self._many = connection.executemany
        self._streams = streams
        self.reload()

    def reload(self) -> None:
        """Forget what is remembered: a transaction was undone."""
        self.stays.reload()
        self.unwritten.forget()
        self.vehicles.forget()
        self.corrections.reload()
        self._dirty: dict[int, int] = dict(self._run("SELECT vehicle, place FROM unsettled"))
        self._releases: dict[int, None] = dict.fromkeys(
            at for (at,) in self._run("SELECT entry FROM releases")
        )
        self._written = (dict(self._dirty), dict(self._releases))
        self._folding: dict[int, Iterator[int]] = {}
        # Vehicles that the rules blow up on: left as they are, and tried again by the next run.
        self._stuck: dict[int, int] = {}
        self._waiting: int = self._run("SELECT count(*) FROM waiting").fetchone()[0]

    # --- placing an event --------------------------------------------------------------------

    @abstractmethod
    def to_tables(self) -> None:
        """What follows reads the tables and writes to them: all that is known is in them first."""

    def add_again(self, at: int, event: Event) -> None:
        """Project an event that was held as one that means nothing, and comes to mean something."""
        own = self.vehicles.get(event.vehicle) if event.vehicle is not None else None
        self.to_tables()
        edge_id, request_id = event.act
        self._run("UPDATE events SET edge_id=?, request_id=? WHERE at=?", (edge_id, request_id, at))
        if request_id is not None:
            act = act_key(edge_id, request_id)
            self._run("INSERT OR IGNORE INTO acts (act, at) VALUES (?,?)", (act, at))
        if edge_id is not None and event.kind in OPENS:
            self._run(_OPENED, (edge_id, at, _ARRIVED_LATELY))
        if own is not None:
            own.met = True
            self._place_anywhere(event, own, at)

    def _place_anywhere(
        self, event: Event, own: Vehicle, at: int, *, new_act: bool = False
    ) -> None:
        """Place an event under the vehicle that it is of, wherever in its past, in the tables."""
        named = self._named(event, own)
        waits = event.kind in NAMING and event.names is not None and named is None
        if waits or event.kind in CORRECTIONS:
            self._run(_PLACE, (at, own.no, event.order, event.timestamp))
            own.last_place = max(own.last_place, event.order)
            if waits or not self._correct(event, at):
                self._wait(event, at, own.no)
        else:
            vehicle, place = named if named is not None else (own, event.order)
            place = max(place, event.order)
            vehicle.met = True
            self._run(_PLACE, (at, vehicle.no, place, event.timestamp))
            self._apply(event, vehicle, place, new_act=new_act)
        if self._waiting and self._is_waited_for(event.position):
            self._release(at)

    def read(self, skeleton: bytes, personal_part: bytes) -> Event:
        """An event that is held; one that was erased is of a vehicle without a name."""
        return self.corrections.read(skeleton, personal_part)

    def erased(self, *numbers: int) -> None:
        """An event stands under a vehicle without a name: these are folded from all events."""
        for number in numbers:
            self.corrections.concern(number)
            self.vehicles.changed(number)
            self._mark(number, _FROM_THE_FIRST)

    def place_erased(self, event: Event, at: int, number: int) -> None:
        """An event that said of no vehicle here is one of a vehicle without a name."""
        self.corrections.concern(number)
        self.add_again(at, self.corrections.read(event.skeleton, event.personal_part))

    def _moved(self, old: int, new: int) -> None:
        """An event that corrections have to do with stands under another vehicle than before."""
        if old in self.corrections.vehicles and old != new:
            self.erased(old, new)

    def _correct(self, event: Event, at: int) -> bool:
        """Have a correction count, where what it names is here; whether it is."""
        assert event.names is not None
        named = self._streams.at(event.names)
        if named is None or self._kind_to_name(named) is None:
            return False
        for number in self.corrections.add(at, named):
            self._mark(number, _FROM_THE_FIRST)
        return True

    def _kind_to_name(self, at: int) -> str | None:
        """The kind of an event that is here and that a correction can be about."""
        query = "SELECT e.kind FROM places p JOIN events e ON e.at = p.at WHERE p.at=?"
        kind = (self._run(query, (at,)).fetchone() or (None,))[0]
        return None if kind in _CORRECTIONS and not self.corrections.holds(at) else kind

    def count_no_more(self, at: int, event: Event) -> None:
        """Make an event that is projected one that means nothing, as if it had never been."""
        self.to_tables()
        self._run("UPDATE events SET edge_id=NULL, request_id=NULL WHERE at=?", (at,))
        self._run("DELETE FROM acts WHERE act=? AND at=?", (act_key(*event.act), at))
        row = self._run("SELECT vehicle FROM places WHERE at=?", (at,)).fetchone()
        if row is None:
            return
        number: int = row[0]
        self._run("DELETE FROM places WHERE at=?", (at,))
        if number in self.corrections.vehicles or event.kind in CORRECTIONS:
            self._correct_no_more(at)
        if event.names is not None:
            self._waiting -= self._run(_NO_LONGER_WAITING, (*event.names, at)).rowcount
        self._run("DELETE FROM verdicts WHERE at=?", (at,))
        self.vehicles.changed(number)
        self._mark(number, _AN_ENTRY_LEFT if event.kind == Kind.ENTRY else _FROM_THE_FIRST)

    def _correct_no_more(self, at: int) -> None:
        """An event counts no more: neither does it correct, nor can it be corrected."""
        for number in self.corrections.concerned(at):
            self._mark(number, _FROM_THE_FIRST)
        for about in self.corrections.remove(at):
            self._correct_no_more(about)
            row = self._run(
                "SELECT e.skeleton, e.sealed, p.vehicle FROM events e JOIN places p ON p.at = e.at"
                " WHERE e.at=?",
                (about,),
            ).fetchone()
            self._wait(self.read(*row[:2]), about, row[2])

    def _fold_again(self, number: int, place: int) -> Iterator[int]:
        """Fold a vehicle from a place on; each step looks at about as many events as it yields."""
        if place <= _AN_ENTRY_LEFT:
            yield from self._await_again(number)
        if number in self.corrections.vehicles:
            yield from self._refold.corrected(number, self._dirty.__contains__)
        else:
            yield from self._refold.pieces(number, place)

    def _await_again(self, number: int) -> Iterator[int]:
        """Entries of a vehicle count no more: what names one of them waits for it."""
        after = (-1, -1, -1)
        while True:
            rows = self._run(
                "SELECT p.at, p.place, p.timestamp, e.kind, e.skeleton, e.sealed, d.verdict"
                " FROM places p JOIN events e ON e.at = p.at LEFT JOIN verdicts d ON d.at = p.at"
                " WHERE p.vehicle=? AND (p.place, p.timestamp, p.at) > (?,?,?)"
                " ORDER BY p.place, p.timestamp, p.at LIMIT ?",
                (number, *after, limits.EVENTS_PER_PIECE),
            ).fetchall()
            for at, _, _, kind, skeleton, sealed, verdict in rows:
                if kind in _NAMING and verdict != Verdict.WAITING.value:
                    self._wait_if_left(self.read(skeleton, sealed), at, number)
            self.vehicles.changed(number)
            yield len(rows)
            if len(rows) < limits.EVENTS_PER_PIECE:
                return
            after = (rows[-1][1], rows[-1][2], rows[-1][0])

    def _wait_if_left(self, event: Event, at: int, number: int) -> None:
        """Let an event wait where the entry that it names is none that counts."""
        if event.names is None:
            return
        assert event.vehicle is not None
        own = self.vehicles.get(event.vehicle)
        if self._named(event, own) is None:
            own.last_place = max(own.last_place, event.order)
            self._run(_PLACE, (at, own.no, event.order, event.timestamp))
            if number in self.corrections.vehicles and own.no != number:
                self.corrections.concern(own.no)
                self._mark(own.no, _FROM_THE_FIRST)
            self._wait(event, at, own.no)

    def _wait(self, event: Event, at: int, number: int) -> None:
        """Let an event wait for the one that it names; one that was made void may do already."""
        assert event.names is not None
        waits = self._run("INSERT OR IGNORE INTO waiting VALUES (?,?,?,?)", (*event.names, at))
        self._run(JUDGE, (at, number, Verdict.WAITING.value, None))
        claim(self._run, at, event)
        self._waiting += waits.rowcount

    def _named(self, event: Event, own: Vehicle) -> tuple[Vehicle, int] | None:
        """Vehicle and order of the entry that an exit or confirmation names, if it is here."""
        if event.kind not in NAMING or event.names is None:
            return None
        by_open = own.no not in self._dirty and own.no not in self.corrections.vehicles
        held = own.open if by_open else None
        if held is not None and held.stay.entry == event.names:
            return own, held.stay.entry_order
        at = self._streams.at(event.names)
        if at is None:
            return None
        row = self._run(
            "SELECT p.vehicle, p.place FROM places p JOIN events e ON e.at = p.at"
            " WHERE p.at=? AND e.kind=?",
            (at, Kind.ENTRY.value),
        ).fetchone()
        return (self.vehicles.numbered(row[0]), row[1]) if row is not None else None

    def _is_waited_for(self, position: Position) -> bool:
        found = self._run("SELECT 1 FROM waiting WHERE origin=? AND epoch=? AND seq=?", position)
        return found.fetchone() is not None

    def _release(self, named_at: int) -> int:
        """An event came: place what waited for it, a part at once; how many events those were."""
        rows, named = self._waiting_for(named_at), self._streams.position(named_at)
        for at, skeleton, sealed in rows:
            event = self.read(skeleton, sealed)
            self._run(_NO_LONGER_WAITING, (*named, at))
            self._run("DELETE FROM verdicts WHERE at=?", (at,))
            self._waiting -= 1
            if event.kind in CORRECTIONS:
                self._correct(event, at)
                self._release(at)
            else:
                self._place(event, at)
        if len(rows) == limits.EVENTS_PER_PIECE:
            self._releases[named_at] = None
        else:
            self._releases.pop(named_at, None)
        return len(rows)

    def _waiting_for(self, named_at: int) -> list[tuple[int, bytes, bytes]]:
        """Some of the events that wait for this one; none where it counts no more, or waits."""
        kind = self._kind_to_name(named_at)
        if kind is None:
            return []
        kinds = (*_NAMING, *_CORRECTIONS) if kind == Kind.ENTRY.value else _CORRECTIONS
        return self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM waiting w JOIN events e ON e.at = w.at"
            " WHERE w.origin=? AND w.epoch=? AND w.seq=?"
            f" AND e.kind IN ({','.join('?' * len(kinds))}) ORDER BY w.at LIMIT ?",
            (*self._streams.position(named_at), *kinds, limits.EVENTS_PER_PIECE),
        ).fetchall()

    def _place(self, event: Event, at: int) -> None:
        """Place an event that waited among those of the entry that it names."""
        assert event.vehicle is not None
        counts = self._named(event, self.vehicles.get(event.vehicle))
        assert counts is not None
        vehicle, place = counts[0], max(counts[1], event.order)
        self._run(_PLACE, (at, vehicle.no, place, event.timestamp))
        self._moved(self.vehicles.get(event.vehicle).no, vehicle.no)
        self._apply(event, vehicle, place)
        if vehicle.key != event.vehicle:
            self.vehicles.changed(self.vehicles.get(event.vehicle).no)

    def _apply(self, event: Event, vehicle: Vehicle, place: int, *, new_act: bool = False) -> None:
        """Bring the stays of a vehicle up to date with an event that was just placed in it."""
        newest = place > vehicle.folded
        vehicle.placed(place)
        if vehicle.no in self.corrections.vehicles:
            self._mark_corrected(event, vehicle.no)
            return
        repeats_from = None if new_act else self._repeats(event, vehicle.no)
        if repeats_from is not None:
            self._mark(vehicle.no, min(repeats_from, self._first_named(event, place)))
        elif event.kind == Kind.CONFIRM:
            self._confirm(event, vehicle, place)
        elif event.kind in ACTS | ENDINGS:
            if newest and vehicle.no not in self._dirty and _is_a_step(event, vehicle):
                self._advance(event, vehicle)
            else:
                self._mark(vehicle.no, self._first_named(event, place))

    def _mark_corrected(self, event: Event, number: int) -> None:
        """A vehicle that corrections have to do with is folded again, and those it has to do with.

        An event of it may be of another one: that of an entry which it names, or of its act.
        """
        at = self._streams.at(event.position)
        assert at is not None
        for touched in self.corrections.touched(at, number):
            self._mark(touched, _FROM_THE_FIRST)

    def _first_named(self, event: Event, place: int) -> int:
        """The place of an event, or that of the entry which it names, or of what counts for it."""
        if event.kind not in NAMING or event.names is None:
            return place
        named, counting = self._streams.at(event.names), self.entry_that_counts(event.names)
        return min(place, self._order_at(named), self._order_at(counting))

    def _confirm(self, event: Event, vehicle: Vehicle, place: int) -> None:
        """A confirmation counts wherever its entry stands, so it needs no folding by itself.

        But where it names an entry that does not count, or was not taken, that may be otherwise.
        """
        held = vehicle.open
        if held is None or held.stay.entry != event.names:
            assert event.names is not None
            held = self.stays.of_entry(self._streams.at(event.names))
        untaken = held is not None and held.stay.closed_by is ClosedBy.NOT_TAKEN
        if vehicle.no in self._dirty or held is None or untaken:
            self._mark(vehicle.no, self._first_named(event, place))
        elif not held.stay.confirmed:
            confirmed = self.stays.update(held.id, replace(held.stay, confirmed=True))
            if vehicle.open is not None and vehicle.open.id == held.id:
                vehicle.open = confirmed

    def _mark(self, number: int, place: int) -> None:
        """A vehicle is to be folded again from there on; after others that wait for it longer."""
        self._folding.pop(number, None)
        place = min(place, self._stuck.pop(number, place))
        self._dirty[number] = min(place, self._dirty.pop(number, place))

    def _order_at(self, at: int | None) -> int:
        row = self._run("SELECT place FROM places WHERE at=?", (at,)).fetchone()
        return row[0] if row is not None else 2**62

    def _repeats(self, event: Event, number: int) -> int | None:
        """The place from which the opens of one act matter; None for a single one."""
        edge_id, request_id = event.act
        if event.kind not in ACTS or request_id is None:
            return None
        places = self._run(
            "SELECT p.place FROM acts a JOIN events e ON e.at = a.at JOIN places p ON p.at = a.at"
            " WHERE a.act=? AND e.edge_id=? AND e.request_id=?"
            " AND p.vehicle=? AND e.kind IN (?,?) AND NOT EXISTS"
            " (SELECT 1 FROM verdicts d WHERE d.at = a.at AND d.verdict = ?) LIMIT ?",
            (
                act_key(edge_id, request_id),
                edge_id,
                request_id,
                number,
                *_ACTS,
                Verdict.WAITING.value,
                _FEW_REPEATS + 1,
            ),
        ).fetchall()
        if len(places) < 2:
            return None
        return min(places)[0] if len(places) <= _FEW_REPEATS else _FROM_THE_FIRST

    # --- one step ----------------------------------------------------------------------------

    def _advance(self, event: Event, vehicle: Vehicle) -> None:
        """The newest event of a vehicle: one step from its open stay."""
        held = vehicle.open
        before = held.stay if held is not None else None
        aliases = {}
        if event.names is not None and (before is None or event.names != before.entry):
            counting = self.entry_that_counts(event.names)
            if counting is not None:
                aliases[event.names] = self._streams.position(counting)
        fold = Fold(vehicle.key, before, aliases)
        fold.take(event)
        for entry, stay in fold.stays.items():
            if held is None or entry != held.stay.entry:
                vehicle.open = self.stays.insert(stay, vehicle.no)
            elif stay is not held.stay:
                closed = self.stays.update(held.id, stay)
                vehicle.open = closed if stay.closed_by is None else None
        self._judge(fold, vehicle.no, {event.position: event})

    def _judge(self, fold: Fold, number: int, events: Mapping[Position, Event]) -> None:
        at = self._streams.at
        for entry, winner in fold.superseded.items():
            self._run(JUDGE, (at(entry), number, Verdict.SUPERSEDED.value, at(winner)))
        for position in fold.ended_nothing:
            self._run(JUDGE, (at(position), number, Verdict.ENDED_NOTHING.value, None))
            claim(self._run, at(position), events[position])

    # --- folding again -----------------------------------------------------------------------

    @property
    def unsettled(self) -> bool:
        """Whether `settle` has left something to do."""
        return bool(self._dirty or self._releases)

    def settle(self, effort: int | None = None) -> None:
        """Fold each marked vehicle again, from the stay before its earliest new event.

        With an `effort` no more than about so many events are looked at; the rest is for the next
        time. Each vehicle has its turn, so that a long one holds up no other.
        """
        self.to_tables()
        left = effort
        while self.unsettled and (left is None or left > 0):
            # Releases first: each marks its vehicle, which is then folded once for all of them.
            first = next(iter(self._releases or self._dirty))
            spent = self._release(first) if self._releases else self._piece(first)
            if left is not None:
                left -= spent

    def settle_vehicle(self, number: int) -> None:
        """Fold one vehicle now, as it is asked for: a part of it, where its past is long."""
        if number in self._dirty:
            self.to_tables()
        left = limits.EVENTS_PER_PIECE
        while number in self._dirty and left > 0:
            left -= self._piece(number)

    def _piece(self, number: int) -> int:
        """Go on with the folding of one vehicle; how many events were looked at."""
        place = self._dirty[number]
        if number not in self._folding:
            self._folding[number] = self._fold_again(number, place)
        try:
            spent = next(self._folding[number], None)
        except Exception as fault:
            if isinstance(fault, sqlite3.Error) or number not in self._written[0]:
                raise  # what was committed can't be refused any more; what was not is
            self._stuck[number] = self._dirty.pop(number)
            del self._folding[number]
            return 1
        del self._dirty[number]
        if spent is None:
            del self._folding[number]
            return 1
        self._dirty[number] = place  # behind the others
        return spent

    def flush(self) -> None:
        """Write down what is left to do. Owed before each commit; mostly there is nothing."""
        dirty, releases = self._written
        left = self._stuck | self._dirty
        if left != dirty:
            self._run("DELETE FROM unsettled")
            self._many("INSERT INTO unsettled VALUES (?,?)", left.items())
        if self._releases != releases:
            self._run("DELETE FROM releases")
            self._many("INSERT INTO releases VALUES (?)", ((at,) for at in self._releases))
        self._written = (left, dict(self._releases))

    def entry_that_counts(self, entry: Position | None) -> int | None:
        """The `at` of the entry whose stay this one belongs to; None where it belongs to none."""
        at = self._streams.at(entry) if entry is not None else None
        while at is not None:
            if self._run("SELECT 1 FROM sessions WHERE entry=?", (at,)).fetchone():
                return at
            row = self._run("SELECT instead FROM verdicts WHERE at=?", (at,)).fetchone()
            at = row[0] if row is not None else None
        return None


def _is_a_step(event: Event, vehicle: Vehicle) -> bool:
    """Whether the newest event of a vehicle leaves all but its open stay as it is.

    One that names another entry than that may change what became of that one.
    """
    if event.kind in ENDINGS:
        return False
    entry = vehicle.open.stay.entry if vehicle.open is not None else None
    return event.kind == Kind.ENTRY or event.names is None or event.names == entry
