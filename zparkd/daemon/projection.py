"""The stays in the database, kept up to date event by event.

The rules are those of `core.sessions`; here is how they are applied to tables without reading
a vehicle's whole past each time. An event that comes after all others of its vehicle advances
the open stay by one step. Any other marks its vehicle, and `settle` folds that once, from the
stay in which the earliest such event falls. Both give the rows that `sessions.project` gives.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from zparkd.core.events import Event, Kind, Position, SortKey, read
from zparkd.core.log import HeldStay
from zparkd.core.sessions import (
    ACTS,
    NAMING,
    Fold,
    Verdict,
    fold_key,
    in_fold_order,
)
from zparkd.daemon.stays import Stays
from zparkd.daemon.streams import Streams
from zparkd.daemon.vehicles import Vehicle, Vehicles

_JUDGE = "INSERT OR REPLACE INTO verdicts (at, vehicle, verdict, instead) VALUES (?,?,?,?)"
_NO_LONGER_WAITING = "DELETE FROM waiting WHERE origin=? AND epoch=? AND seq=? AND at=?"
_CLAIM = "INSERT OR REPLACE INTO claims (at, fee, origin, epoch, seq) VALUES (?,?,?,?,?)"
_ACTS = tuple(kind.value for kind in sorted(ACTS))
_FOLDED = (Verdict.SUPERSEDED.value, Verdict.ENDED_NOTHING.value)


class Projection:
    """Keeps sessions, verdicts and waiting right. All within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, streams: Streams) -> None:
        self.stays = Stays(connection, streams)
        self.vehicles = Vehicles(connection, self.stays)
        self._connection = connection
        self._conflicts: tuple[int, int] | None = None
        self._run = connection.execute
        self._streams = streams
        self.reload()

    def reload(self) -> None:
        """Forget what is remembered: a transaction was undone."""
        self.vehicles.forget()
        self._dirty: dict[int, int] = {}
        self._new_act: tuple[str, str] | None = None
        self._waiting: int = self._run("SELECT count(*) FROM waiting").fetchone()[0]

    def act_is_new(self, edge_id: str, request_id: str) -> None:
        """There is no event of this act: the next one will be its first, and repeats none."""
        self._new_act = edge_id, request_id

    # --- placing an event --------------------------------------------------------------------

    def add(self, event: Event, insert: Callable[[int | None, int], object]) -> None:
        """Project an event; `insert(vehicle, place)` stores its row, which must come first."""
        key = event.vehicle
        if key is None:
            insert(None, event.order)
            return
        own = self.vehicles.get(key)
        at = self._streams.at(event.position)
        assert at is not None
        named = self._named(event, own)
        if event.kind in NAMING and event.names is not None and named is None:
            insert(own.no, event.order)
            own.last_place = max(own.last_place, event.order)
            self._wait(event, at, own.no)
            return
        vehicle, place = named if named is not None else (own, event.order)
        place = max(place, event.order)
        insert(vehicle.no, place)
        self._apply(event, vehicle, place)
        if event.kind == Kind.ENTRY and self._waiting:
            self._release(event.position)

    def count_no_more(self, at: int, event: Event) -> None:
        """Make an event that is projected one that means nothing, as if it had never been."""
        number: int | None = self._run("SELECT vehicle FROM events WHERE at=?", (at,)).fetchone()[0]
        self._run(
            "UPDATE events SET vehicle=NULL, place=?, edge_id=NULL, request_id=NULL WHERE at=?",
            (event.order, at),
        )
        if number is None:
            return
        if event.names is not None:
            self._waiting -= self._run(_NO_LONGER_WAITING, (*event.names, at)).rowcount
        self._run("DELETE FROM verdicts WHERE at=?", (at,))
        self._left(event, number)
        if event.kind == Kind.ENTRY:
            self._await_again(event, number)

    def _await_again(self, entry: Event, number: int) -> None:
        """An entry of a vehicle counts no more: what names it waits for it."""
        rows = self._run(
            "SELECT at, skeleton, sealed FROM events WHERE vehicle=? AND place >= ?"
            " AND kind IN (?,?)",
            (number, entry.order, *(kind.value for kind in sorted(NAMING))),
        ).fetchall()
        for at, skeleton, sealed in rows:
            event = read(skeleton, sealed)
            if event.names == entry.position:
                assert event.vehicle is not None
                own = self.vehicles.get(event.vehicle)
                own.last_place = max(own.last_place, event.order)
                self._run(
                    "UPDATE events SET vehicle=?, place=? WHERE at=?", (own.no, event.order, at)
                )
                self._wait(event, at, own.no)
                self._left(event, number)

    def _left(self, event: Event, number: int) -> None:
        """An event takes no part any more in a vehicle: all there is judged and folded again."""
        acts = self._same_acts(event, number)
        if acts:
            self._judge_acts(acts, number)
        self.vehicles.changed(number)
        self._mark(number, -1)

    def _wait(self, event: Event, at: int, number: int) -> None:
        assert event.names is not None
        self._run("INSERT INTO waiting VALUES (?,?,?,?)", (*event.names, at))
        self._run(_JUDGE, (at, number, Verdict.WAITING.value, None))
        self._claim(at, event)
        self._waiting += 1

    def _named(self, event: Event, own: Vehicle) -> tuple[Vehicle, int] | None:
        """Vehicle and order of the entry that an exit or confirmation names, if it is here."""
        if event.kind not in NAMING or event.names is None:
            return None
        held = own.open if own.no not in self._dirty else None
        if held is not None and held.stay.entry == event.names:
            return own, held.stay.entry_order
        at = self._streams.at(event.names)
        if at is None:
            return None
        row = self._run(
            "SELECT vehicle, place FROM events WHERE at=? AND kind=? AND vehicle IS NOT NULL",
            (at, Kind.ENTRY.value),
        ).fetchone()
        return (self.vehicles.numbered(row[0]), row[1]) if row is not None else None

    def _release(self, entry: Position) -> None:
        """An entry came: place what waited for it."""
        rows = self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM waiting w JOIN events e ON e.at = w.at"
            " WHERE w.origin=? AND w.epoch=? AND w.seq=? ORDER BY e.at",
            entry,
        ).fetchall()
        for at, skeleton, sealed in rows:
            event = read(skeleton, sealed)
            assert event.vehicle is not None
            named = self._named(event, self.vehicles.get(event.vehicle))
            assert named is not None
            vehicle, place = named[0], max(named[1], event.order)
            self._run(_NO_LONGER_WAITING, (*entry, at))
            self._run("DELETE FROM verdicts WHERE at=?", (at,))
            self._run("UPDATE events SET vehicle=?, place=? WHERE at=?", (vehicle.no, place, at))
            self._waiting -= 1
            self._apply(event, vehicle, place)

    def _apply(self, event: Event, vehicle: Vehicle, place: int) -> None:
        """Bring the stays of a vehicle up to date with an event that was just placed in it."""
        newest = place > vehicle.last_place
        vehicle.last_place = max(vehicle.last_place, place)
        oldest_act = self._repeats(event, vehicle.no)
        if oldest_act is not None:
            self._mark(vehicle.no, oldest_act)
        elif event.kind == Kind.CONFIRM:
            self._confirm(event, vehicle, place)
        elif event.kind in ACTS:
            if newest and vehicle.no not in self._dirty:
                self._advance(event, vehicle)
            else:
                self._mark(vehicle.no, place)

    def _confirm(self, event: Event, vehicle: Vehicle, place: int) -> None:
        """A confirmation counts wherever its entry stands, so it needs no folding by itself."""
        held = vehicle.open
        if held is not None and held.stay.entry == event.names:
            entry = self._streams.at(held.stay.entry)
        else:
            entry = self.entry_that_counts(event.names)
            held = self.stays.of_entry(entry) if entry is not None else None
        if vehicle.no in self._dirty or held is None:
            named = self._streams.at(event.names) if event.names is not None else None
            self._mark(vehicle.no, min(place, self._order_at(named), self._order_at(entry)))
        elif not held.stay.confirmed:
            confirmed = self.stays.update(held.id, replace(held.stay, confirmed=True))
            if vehicle.open is not None and vehicle.open.id == held.id:
                vehicle.open = confirmed

    def _mark(self, number: int, order: int) -> None:
        self._dirty[number] = min(order, self._dirty.get(number, order))

    def _order_at(self, at: int | None) -> int:
        row = self._run("SELECT place FROM events WHERE at=?", (at,)).fetchone()
        return row[0] if row is not None else 2**62

    def _repeats(self, event: Event, number: int) -> int | None:
        """Judge the opens of one act; the order from which they matter, None for a single one."""
        facts = event.facts
        if event.kind not in ACTS or facts is None or facts.request_id is None:
            return None
        if self._new_act == (facts.edge_id, facts.request_id):
            self._new_act = None
            return None
        acts = self._same_acts(event, number)
        if len(acts) < 2:
            return None
        self._judge_acts(acts, number)
        return acts[0][0].order

    def _same_acts(self, event: Event, number: int) -> list[tuple[Event, int]]:
        """The opens of a vehicle that are one act with an event, and their `at`; oldest first."""
        facts = event.facts
        if event.kind not in ACTS or facts is None or facts.request_id is None:
            return []
        rows = self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM events e WHERE edge_id=? AND request_id=?"
            " AND vehicle=? AND kind IN (?,?) AND NOT EXISTS"
            " (SELECT 1 FROM verdicts d WHERE d.at = e.at AND d.verdict = ?)",
            (facts.edge_id, facts.request_id, number, *_ACTS, Verdict.WAITING.value),
        ).fetchall()
        return sorted(((read(row[1], row[2]), row[0]) for row in rows), key=lambda act: act[0].key)

    def _judge_acts(self, acts: list[tuple[Event, int]], number: int) -> None:
        oldest_at = acts[0][1]
        self._run("DELETE FROM verdicts WHERE at=?", (oldest_at,))
        for _, at in acts[1:]:
            self._run(_JUDGE, (at, number, Verdict.REPEATED.value, oldest_at))

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
            self._run(_JUDGE, (at(entry), number, Verdict.SUPERSEDED.value, at(winner)))
        for position in fold.ended_nothing:
            self._run(_JUDGE, (at(position), number, Verdict.ENDED_NOTHING.value, None))
            self._claim(at(position), events[position])

    def _claim(self, at: int | None, event: Event) -> None:
        """Keep what an event that did not count says, as core read it: SQL reads no JSON."""
        assert event.facts is not None
        names = event.names or (None, None, None)
        self._run(_CLAIM, (at, event.facts.fee, *names))

    # --- folding again -----------------------------------------------------------------------

    def settle(self) -> None:
        """Fold each marked vehicle again, from the stay before its earliest new event."""
        dirty, self._dirty = self._dirty, {}
        for number, order in dirty.items():
            self._refold(number, order)

    def _refold(self, number: int, order: int) -> None:
        vehicle = self.vehicles.numbered(number)
        start = self.stays.last_before(number, order)
        first = start.stay.entry_key if start is not None else SortKey(-1, "", 0, 0)
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
        fold = Fold(vehicle.key, aliases=repeats)
        for event in in_fold_order(events, entries):
            if fold_key(event, entries) >= first:
                fold.take(event)
                self._run("DELETE FROM verdicts WHERE at=?", (self._streams.at(event.position),))
        self._replace(fold, number, first, {event.position: event for event in events})
        vehicle.open = self.stays.open_of(number)

    def _key_of(self, position: Position) -> SortKey:
        at = self._streams.at(position)
        row = self._run("SELECT skeleton, sealed FROM events WHERE at=?", (at,)).fetchone()
        return read(*row).key

    def _replace(
        self, fold: Fold, number: int, first: SortKey, events: Mapping[Position, Event]
    ) -> None:
        """Make the stays of a vehicle from `first` on those of the fold, keeping their ids."""
        stays = self.stays
        before = [held for held in stays.since(number, first.order) if held.stay.entry_key >= first]
        ids = _kept_ids(before, fold)
        for held in before:
            if held.id not in ids.values():
                stays.delete(held.id)
        stays_before = {held.id: held.stay for held in before}
        # An id moves from a newer entry to an older one, which no kept row names yet.
        for entry, stay in fold.stays.items():
            id = ids.get(entry)
            if id is None:
                stays.insert(stay, number)
            elif stays_before[id] != stay:
                stays.update(id, stay)
        self._judge(fold, number, events)

    def entry_that_counts(self, entry: Position | None) -> int | None:
        """The `at` of the entry whose stay this one belongs to; None where it belongs to none."""
        at = self._streams.at(entry) if entry is not None else None
        while at is not None:
            if self._run("SELECT 1 FROM sessions WHERE entry=?", (at,)).fetchone():
                return at
            row = self._run("SELECT instead FROM verdicts WHERE at=?", (at,)).fetchone()
            at = row[0] if row is not None else None
        return None

    def open_conflicts(self) -> int:
        """How many rows the view `conflicts` has."""
        changes = self._connection.total_changes
        if self._conflicts is None or self._conflicts[0] != changes:
            (count,) = self._run(
                "SELECT (SELECT count(*) FROM verdicts WHERE verdict <> 'REPEATED')"
                " + (SELECT coalesce(sum(length(remarks) - length(replace(remarks, ',', '')) + 1),"
                " 0) FROM sessions WHERE remarks IS NOT NULL)"
            ).fetchone()
            self._conflicts = changes, int(count)
        return self._conflicts[1]


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
