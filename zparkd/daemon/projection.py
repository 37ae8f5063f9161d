"""The stays in the database, kept up to date event by event.

The rules are those of `core.sessions`; here is how they are applied to tables without reading
a vehicle's whole past each time. An event that comes after all others of its vehicle advances
the open stay by one step. Any other marks its vehicle, and `settle` folds that once, from the
stay in which the earliest such event falls. Both give the rows that `sessions.project` gives.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from zparkd.core.events import Event, Kind, Position, SortKey, VehicleKey, read
from zparkd.core.log import HeldStay
from zparkd.core.sessions import (
    ACTS,
    NAMING,
    ClosedBy,
    Fold,
    Remark,
    Stay,
    Verdict,
    fold_key,
    in_fold_order,
)
from zparkd.daemon.streams import Streams

_STAY = (
    "SELECT s.id, v.camera_type, v.plate_id, s.entry, s.entry_order, s.entry_ms, s.entry_marked,"
    " s.entry_forced, s.edge_id, s.plate_view, s.confidence, s.confirmed, s.closed_by, s.closer,"
    " s.exit_ms, s.exit_edge_id, s.fee, s.currency, s.duration_s, s.remarks"
    " FROM sessions s JOIN vehicles v ON v.no = s.vehicle "
)
_INSERT_STAY = (
    "INSERT INTO sessions (entry, entry_order, entry_ms, entry_marked, entry_forced, edge_id,"
    " plate_view, confidence, confirmed, closed_by, closer, exit_ms, exit_edge_id, fee, currency,"
    " duration_s, remarks, vehicle) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_UPDATE_STAY = (
    "UPDATE sessions SET entry=?, entry_order=?, entry_ms=?, entry_marked=?, entry_forced=?,"
    " edge_id=?, plate_view=?, confidence=?, confirmed=?, closed_by=?, closer=?, exit_ms=?,"
    " exit_edge_id=?, fee=?, currency=?, duration_s=?, remarks=? WHERE id=?"
)
_JUDGE = "INSERT OR REPLACE INTO verdicts (at, vehicle, verdict, instead) VALUES (?,?,?,?)"
_FOLDED = (Verdict.SUPERSEDED.value, Verdict.ENDED_NOTHING.value)


class Projection:
    """Keeps sessions, verdicts and waiting right. All within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, streams: Streams) -> None:
        self._run = connection.execute
        self._streams = streams
        self.reload()

    def reload(self) -> None:
        """Forget what is remembered: a transaction was undone."""
        self._dirty: dict[int, int] = {}
        self._waiting: int = self._run("SELECT count(*) FROM waiting").fetchone()[0]

    # --- placing an event --------------------------------------------------------------------

    def add(self, event: Event, insert: Callable[[int | None, int], None]) -> None:
        """Project an event; `insert(vehicle, place)` stores its row, which must come first."""
        vehicle = event.vehicle
        if vehicle is None:
            insert(None, event.order)
            return
        own = self.vehicle_no(vehicle)
        at = self._streams.at(event.position)
        assert at is not None
        named = self._named(event)
        if event.kind in NAMING and event.names is not None and named is None:
            insert(own, event.order)
            self._run("INSERT INTO waiting VALUES (?,?,?,?)", (*event.names, at))
            self._run(_JUDGE, (at, own, Verdict.WAITING.value, None))
            self._waiting += 1
            return
        number, place = named if named is not None else (own, event.order)
        place = max(place, event.order)
        last = self.last_place(number)
        insert(number, place)
        self._apply(event, number, place, last)
        if event.kind == Kind.ENTRY and self._waiting:
            self._release(event.position)

    def _named(self, event: Event) -> tuple[int, int] | None:
        """Vehicle and order of the entry that an exit or confirmation names, if it is here."""
        if event.kind not in NAMING or event.names is None:
            return None
        at = self._streams.at(event.names)
        row = (
            at is not None
            and self._run(
                "SELECT vehicle, place FROM events WHERE at=? AND kind=? AND vehicle IS NOT NULL",
                (at, Kind.ENTRY.value),
            ).fetchone()
        )
        return row or None

    def _release(self, entry: Position) -> None:
        """An entry came: place what waited for it."""
        rows = self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM waiting w JOIN events e ON e.at = w.at"
            " WHERE w.origin=? AND w.epoch=? AND w.seq=? ORDER BY e.at",
            entry,
        ).fetchall()
        for at, skeleton, sealed in rows:
            event = read(skeleton, sealed)
            named = self._named(event)
            assert named is not None
            number, place = named[0], max(named[1], event.order)
            self._run("DELETE FROM waiting WHERE at=?", (at,))
            self._run("DELETE FROM verdicts WHERE at=?", (at,))
            last = self.last_place(number)
            self._run("UPDATE events SET vehicle=?, place=? WHERE at=?", (number, place, at))
            self._waiting -= 1
            self._apply(event, number, place, last)

    def _apply(self, event: Event, number: int, place: int, last: int) -> None:
        """Bring the stays of a vehicle up to date with an event that was just placed in it."""
        oldest_act = self._repeats(event, number)
        if oldest_act is not None:
            self._mark(number, oldest_act)
        elif event.kind == Kind.CONFIRM:
            entry = self._entry_that_counts(event.names)
            if number in self._dirty or entry is None:
                self._mark(number, min(place, self._order_of(event.names), self._order_of(entry)))
            else:
                self._run(
                    "UPDATE sessions SET confirmed=1 WHERE entry=? AND NOT confirmed",
                    (self._streams.at(entry),),
                )
        elif event.kind in ACTS:
            if number in self._dirty or place <= last:
                self._mark(number, place)
            else:
                self._advance(event, number)

    def _mark(self, number: int, order: int) -> None:
        self._dirty[number] = min(order, self._dirty.get(number, order))

    def _order_of(self, entry: Position | None) -> int:
        at = self._streams.at(entry) if entry is not None else None
        row = self._run("SELECT place FROM events WHERE at=?", (at,)).fetchone()
        return row[0] if row is not None else 2**62

    def _repeats(self, event: Event, number: int) -> int | None:
        """Judge the opens of one act; the order from which they matter, None for a single one."""
        facts = event.facts
        if event.kind not in ACTS or facts is None or facts.request_id is None:
            return None
        rows = self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM events e WHERE edge_id=? AND request_id=?"
            " AND vehicle=? AND kind IN (?,?) AND at NOT IN (SELECT at FROM waiting)",
            (facts.edge_id, facts.request_id, number, *(kind.value for kind in sorted(ACTS))),
        ).fetchall()
        if len(rows) < 2:
            return None
        acts = sorted(((read(row[1], row[2]), row[0]) for row in rows), key=lambda act: act[0].key)
        oldest_at = acts[0][1]
        self._run("DELETE FROM verdicts WHERE at=?", (oldest_at,))
        for _, at in acts[1:]:
            self._run(_JUDGE, (at, number, Verdict.REPEATED.value, oldest_at))
        return acts[0][0].order

    # --- one step ----------------------------------------------------------------------------

    def _advance(self, event: Event, number: int) -> None:
        """The newest event of a vehicle: one step from its open stay."""
        held = self.open_stay(number)
        aliases = {}
        if event.names is not None:
            entry = self._entry_that_counts(event.names)
            if entry is not None:
                aliases[event.names] = entry
        vehicle = held.stay.vehicle if held is not None else self._vehicle_key(number)
        fold = Fold(vehicle, held.stay if held is not None else None, aliases)
        fold.take(event)
        for entry, stay in fold.stays.items():
            if held is None or entry != held.stay.entry:
                self._run(_INSERT_STAY, (*self._row(stay), number))
            elif stay is not held.stay:
                self._run(_UPDATE_STAY, (*self._row(stay), held.id))
        self._judge(fold, number)

    def _judge(self, fold: Fold, number: int) -> None:
        at = self._streams.at
        for entry, winner in fold.superseded.items():
            self._run(_JUDGE, (at(entry), number, Verdict.SUPERSEDED.value, at(winner)))
        for position in fold.ended_nothing:
            self._run(_JUDGE, (at(position), number, Verdict.ENDED_NOTHING.value, None))

    # --- folding again -----------------------------------------------------------------------

    def settle(self) -> None:
        """Fold each marked vehicle again, from the stay before its earliest new event."""
        dirty, self._dirty = self._dirty, {}
        for number, order in dirty.items():
            self._refold(number, order)

    def _refold(self, number: int, order: int) -> None:
        start = self._run(
            _STAY + "WHERE s.vehicle=? AND s.entry_order < ? AND NOT s.entry_forced"
            " ORDER BY s.entry_order DESC LIMIT 1",
            (number, order),
        ).fetchone()
        first = self._held(start).stay.entry_key if start is not None else SortKey(-1, "", 0, 0)
        rows = self._run(
            "SELECT e.skeleton, e.sealed FROM events e LEFT JOIN verdicts d ON d.at = e.at"
            " WHERE e.vehicle=? AND e.place >= ?"
            " AND (d.verdict IS NULL OR d.verdict IN (?,?))",
            (number, first.order, *_FOLDED),
        ).fetchall()
        events = [read(skeleton, sealed) for skeleton, sealed in rows]
        entries = {event.position: event.key for event in events if event.kind == Kind.ENTRY}
        repeats = {
            self._streams.position(at): self._streams.position(instead)
            for at, instead in self._run(
                "SELECT at, instead FROM verdicts WHERE vehicle=? AND verdict=?",
                (number, Verdict.REPEATED.value),
            )
        }
        for alias in repeats:
            entries.setdefault(alias, self._key_of(alias))
        fold = Fold(self._vehicle_key(number), aliases=repeats)
        for event in in_fold_order(events, entries):
            if fold_key(event, entries) >= first:
                fold.take(event)
                self._run("DELETE FROM verdicts WHERE at=?", (self._streams.at(event.position),))
        self._replace(fold, number, first)

    def _key_of(self, position: Position) -> SortKey:
        at = self._streams.at(position)
        row = self._run("SELECT skeleton, sealed FROM events WHERE at=?", (at,)).fetchone()
        return read(*row).key

    def _replace(self, fold: Fold, number: int, first: SortKey) -> None:
        """Make the stays of a vehicle from `first` on those of the fold, keeping their ids."""
        before = [
            held
            for held in map(
                self._held,
                self._run(
                    _STAY + "WHERE s.vehicle=? AND s.entry_order >= ?", (number, first.order)
                ),
            )
            if held.stay.entry_key >= first
        ]
        ids = _kept_ids(before, fold)
        for held in before:
            if held.id not in ids.values():
                self._run("DELETE FROM sessions WHERE id=?", (held.id,))
        stays_before = {held.id: held.stay for held in before}
        # An id moves from a newer entry to an older one, which no kept row names yet.
        for entry, stay in fold.stays.items():
            id = ids.get(entry)
            if id is None:
                self._run(_INSERT_STAY, (*self._row(stay), number))
            elif stays_before[id] != stay:
                self._run(_UPDATE_STAY, (*self._row(stay), id))
        self._judge(fold, number)

    # --- reading -----------------------------------------------------------------------------

    def vehicle_no(self, vehicle: VehicleKey) -> int:
        """The number of a vehicle, a new one where it was never seen."""
        found = self.find_vehicle(vehicle)
        if found is not None:
            return found
        cursor = self._run(
            "INSERT INTO vehicles (plate_id, camera_type) VALUES (?,?)",
            (vehicle.plate_id, vehicle.camera_type),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def find_vehicle(self, vehicle: VehicleKey) -> int | None:
        """The number of a vehicle, or None where it was never seen."""
        row = self._run(
            "SELECT no FROM vehicles WHERE plate_id=? AND camera_type=?",
            (vehicle.plate_id, vehicle.camera_type),
        ).fetchone()
        return row[0] if row is not None else None

    def last_place(self, number: int) -> int:
        """The highest order among the events of a vehicle; 0 for none."""
        row = self._run("SELECT max(place) FROM events WHERE vehicle=?", (number,)).fetchone()
        return row[0] or 0

    def open_stay(self, number: int) -> HeldStay | None:
        """The open stay of a vehicle."""
        row = self._run(_STAY + "WHERE s.vehicle=? AND s.closed_by IS NULL", (number,)).fetchone()
        return self._held(row) if row is not None else None

    def inside(self, plate_id: str) -> list[HeldStay]:
        """The open stays of all vehicles with this plate."""
        rows = self._run(_STAY + "WHERE v.plate_id=? AND s.closed_by IS NULL", (plate_id,))
        return [self._held(row) for row in rows]

    def stay_of(self, entry: Position) -> HeldStay | None:
        """The stay that an entry belongs to."""
        counting = self._entry_that_counts(entry)
        at = self._streams.at(counting) if counting is not None else None
        row = self._run(_STAY + "WHERE s.entry=?", (at,)).fetchone()
        return self._held(row) if row is not None else None

    def _entry_that_counts(self, entry: Position | None) -> Position | None:
        """The entry of the stay that this one belongs to; None where it belongs to none."""
        at = self._streams.at(entry) if entry is not None else None
        while at is not None:
            if self._run("SELECT 1 FROM sessions WHERE entry=?", (at,)).fetchone():
                return self._streams.position(at)
            row = self._run("SELECT instead FROM verdicts WHERE at=?", (at,)).fetchone()
            at = row[0] if row is not None else None
        return None

    def _vehicle_key(self, number: int) -> VehicleKey:
        row = self._run("SELECT camera_type, plate_id FROM vehicles WHERE no=?", (number,))
        return VehicleKey(*row.fetchone())

    def _held(self, row: tuple[Any, ...]) -> HeldStay:
        position = self._streams.position
        stay = Stay(
            VehicleKey(row[1], row[2]),
            position(row[3]),
            row[4],
            row[5],
            bool(row[6]),
            bool(row[7]),
            row[8],
            row[9],
            row[10],
            bool(row[11]),
            ClosedBy(row[12]) if row[12] is not None else None,
            position(row[13]) if row[13] is not None else None,
            row[14],
            row[15],
            row[16],
            row[17],
            row[18],
            tuple(Remark(code) for code in (row[19] or "").split(",") if code),
        )
        return HeldStay(row[0], stay)

    def _row(self, stay: Stay) -> tuple[Any, ...]:
        at = self._streams.at
        return (
            at(stay.entry),
            stay.entry_order,
            stay.entry_ms,
            stay.entry_marked,
            stay.entry_forced,
            stay.edge_id,
            stay.plate_view,
            stay.confidence,
            stay.confirmed,
            stay.closed_by.value if stay.closed_by is not None else None,
            at(stay.closer) if stay.closer is not None else None,
            stay.exit_ms,
            stay.exit_edge_id,
            stay.fee,
            stay.currency,
            stay.duration_s,
            ",".join(stay.remarks) or None,
        )


def _kept_ids(before: Iterable[HeldStay], fold: Fold) -> dict[Position, int]:
    """Which id each stay of the fold has: that of its entry, else of one that it took over."""
    ids: dict[Position, int] = {}
    moved: dict[Position, int] = {}
    for held in sorted(before):
        entry = held.stay.entry
        if entry in fold.stays:
            ids[entry] = held.id
            continue
        winner = fold.stay_of(entry)
        if winner is not None:
            moved.setdefault(winner, held.id)
    return moved | ids
