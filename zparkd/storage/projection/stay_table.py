"""The table `sessions`: stays as rows, and back.

Only reads and writes rows; which stays there are, `projection` says.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from zparkd.core import limits
from zparkd.core.events.event import Position, VehicleKey
from zparkd.core.log import HeldStay
from zparkd.core.stays.fold import ClosedBy, Remark, Stay
from zparkd.core.stays.plates_inside import PlatesInside
from zparkd.storage.stream_table import Streams

_SELECT = (
    "SELECT s.id, v.camera_type, v.plate_id, s.entry, s.entry_order, s.entry_ms, s.entry_marked,"
    " s.entry_forced, s.edge_id, s.plate_view, s.confidence, s.confirmed, s.closed_by, s.closer,"
    " s.exit_ms, s.exit_edge_id, s.fee, s.currency, s.duration_s, s.remarks, s.notes, s.id_plate,"
    " s.plate_read, s.adjusted"
    " FROM sessions s JOIN vehicles v ON v.no = s.vehicle WHERE "
)
_INSIDE = (
    "SELECT s.id, v.camera_type, v.plate_id FROM sessions s JOIN vehicles v ON v.no = s.vehicle"
    " WHERE s.closed_by IS NULL"
)
_INSERT = (
    "INSERT INTO sessions (id, vehicle, entry, entry_order, entry_ms, entry_marked, entry_forced,"
    " edge_id, plate_view, confidence, confirmed, closed_by, closer, exit_ms, exit_edge_id, fee,"
    " currency, duration_s, remarks, notes, id_plate, plate_read, adjusted)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_OPEN = (
    "INSERT INTO sessions (id, vehicle, entry, entry_order, entry_ms, entry_marked, entry_forced,"
    " edge_id, plate_view, confidence, confirmed) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
# Of an open stay that is confirmed or ended: what its entry said is not written again.
_GO_ON = (
    "UPDATE sessions SET confirmed=?, closed_by=?, closer=?, exit_ms=?, exit_edge_id=?, fee=?,"
    " currency=?, duration_s=?, remarks=?, notes=?, id_plate=?, plate_read=?, adjusted=?"
    " WHERE id=?"
)
_ENTRY_COLUMNS = 8  # of a row, before what comes later
_OPEN_COLUMNS = 2 + _ENTRY_COLUMNS + 1  # id and vehicle, what the entry said, if it is confirmed
_UPDATE = (
    "UPDATE sessions SET entry=?, entry_order=?, entry_ms=?, entry_marked=?, entry_forced=?,"
    " edge_id=?, plate_view=?, confidence=?, confirmed=?, closed_by=?, closer=?, exit_ms=?,"
    " exit_edge_id=?, fee=?, currency=?, duration_s=?, remarks=?, notes=?, id_plate=?,"
    " plate_read=?, adjusted=? WHERE id=?"
)


class Stays:
    """The rows of `sessions`. All within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, streams: Streams) -> None:
        self._run = connection.execute
        self._many = connection.executemany
        self._streams = streams
        self.reload()

    def reload(self) -> None:
        """Look again which ids were given, and forget who is inside: a transaction was undone."""
        row = self._run("SELECT seq FROM sqlite_sequence WHERE name = 'sessions'").fetchone()
        self._last_id: int = row[0] if row is not None else 0
        self._inside: PlatesInside | None = None

    def inside(self, unwritten: Iterable[HeldStay]) -> PlatesInside:
        """The plates of the open stays: read once, then kept by what is told of each stay.

        `unwritten` are stays that are not in the table yet, or otherwise.
        """
        if self._inside is None:
            rows = self._run(_INSIDE)
            self._inside = PlatesInside((id, VehicleKey(*vehicle)) for id, *vehicle in rows)
            for held in unwritten:
                self.tell(held)
        return self._inside

    def tell(self, held: HeldStay) -> HeldStay:
        """A stay is open, or is no more: so its plate is inside, or is not."""
        if self._inside is not None:
            if held.stay.closed_by is None:
                self._inside.opened(held.id, held.stay.vehicle)
            else:
                self._inside.closed(held.id)
        return held

    def next_id(self) -> int:
        """An id that no stay ever had. They are counted here, since rows are written later."""
        self._last_id += 1
        return self._last_id

    def insert(self, stay: Stay, vehicle: int) -> HeldStay:
        """Add a stay under a new id."""
        held = HeldStay(self.next_id(), stay)
        self._run(_INSERT, (held.id, vehicle, *self._row(stay)))
        return self.tell(held)

    def insert_many(self, stays: Iterable[tuple[int, int, Stay]]) -> None:
        """Add stays: id, number of the vehicle, stay."""
        open, ended = [], []
        for id, vehicle, stay in stays:
            row = (id, vehicle, *self._row(stay))
            if stay.closed_by is None and not stay.remarks:
                open.append(row[:_OPEN_COLUMNS])
            else:
                ended.append(row)
        self._many(_INSERT_OPEN, open)
        self._many(_INSERT, ended)

    def go_on(self, stays: Iterable[tuple[int, Stay]]) -> None:
        """Make these stays, which are open in the table, what came of them."""
        self._many(_GO_ON, [(*self._row(stay)[_ENTRY_COLUMNS:], id) for id, stay in stays])

    def update(self, id: int, stay: Stay) -> HeldStay:
        """Make the stay with this id this one."""
        self._run(_UPDATE, (*self._row(stay), id))
        return self.tell(HeldStay(id, stay))

    def hand_over(self, id: int, vehicle: int) -> None:
        """Make the stay with this id one of another vehicle, which is to be folded again."""
        self._run("UPDATE sessions SET vehicle=? WHERE id=?", (vehicle, id))

    def delete(self, id: int) -> None:
        """Take the stay with this id away; the id is never used again."""
        self._run("DELETE FROM sessions WHERE id=?", (id,))
        if self._inside is not None:
            self._inside.closed(id)

    def of_entry(self, at: int | None) -> HeldStay | None:
        """The stay for which the event at `at` counts."""
        return self._one("s.entry=?", at)

    def ended_by(self, at: int | None) -> HeldStay | None:
        """The stay that the event at `at` ended, and opened none."""
        return self._one("s.closer=? AND s.closed_by <> 'FORCED_ENTRY'", at)

    def open_of(self, vehicle: int) -> HeldStay | None:
        """The open stay of a vehicle."""
        return self._one("s.vehicle=? AND s.closed_by IS NULL", vehicle)

    def last_of(self, vehicle: int) -> HeldStay | None:
        """The newest stay of a vehicle."""
        return self._one("s.vehicle=? ORDER BY s.entry_order DESC, s.id DESC LIMIT 1", vehicle)

    def unconfirmed(self, edge_ids: Collection[str]) -> dict[int, Position]:
        """The entries of the open stays that began at these edges, and none confirmed; by id."""
        marks = ",".join("?" * len(edge_ids))
        rows = self._run(
            "SELECT id, entry FROM sessions WHERE closed_by IS NULL AND NOT confirmed"
            f" AND edge_id IN ({marks})",
            tuple(edge_ids),
        )
        return {id: self._streams.position(entry) for id, entry in rows}

    def last_before(self, vehicle: int, order: int) -> HeldStay | None:
        """The newest stay that began before `order` and not by force."""
        return self._one(
            "s.vehicle=? AND s.entry_order < ? AND NOT s.entry_forced"
            " ORDER BY s.entry_order DESC LIMIT 1",
            vehicle,
            order,
        )

    def since(self, vehicle: int, order: int) -> Iterator[list[HeldStay]]:
        """The stays that began at `order` or later, some at a time, oldest first."""
        after = (order, -1)
        while True:
            rows = self._run(
                _SELECT + "s.vehicle=? AND (s.entry_order, s.id) > (?,?)"
                " ORDER BY s.entry_order, s.id LIMIT ?",
                (vehicle, *after, limits.EVENTS_PER_PIECE),
            ).fetchall()
            yield [self._held(row) for row in rows]
            if len(rows) < limits.EVENTS_PER_PIECE:
                return
            after = (rows[-1][4], rows[-1][0])

    def _one(self, where: str, *values: int | None) -> HeldStay | None:
        row = self._run(_SELECT + where, values).fetchone()
        return self._held(row) if row is not None else None

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
            _remarks(row[19], row[20]),
            *row[21:24],
        )
        return HeldStay(row[0], stay)

    def _row(self, stay: Stay) -> tuple[Any, ...]:
        at = self._streams.at
        return (
            at(stay.entry),
            stay.entry_order,
            stay.entry_ms,
            int(stay.entry_marked),  # what is no plain int costs sqlite3 a search for an adapter
            int(stay.entry_forced),
            stay.edge_id,
            stay.plate_view,
            stay.confidence,
            int(stay.confirmed),
            stay.closed_by.value if stay.closed_by is not None else None,
            at(stay.closer) if stay.closer is not None else None,
            stay.exit_ms,
            stay.exit_edge_id,
            stay.fee,
            stay.currency,
            stay.duration_s,
            _codes(stay, are_conflicts=True),
            _codes(stay, are_conflicts=False),
            stay.id_plate,
            stay.plate_read,
            stay.adjusted,
        )


def _remarks(remarks: str | None, notes: str | None) -> tuple[Remark, ...]:
    if remarks is None and notes is None:
        return ()
    codes = [*(remarks or "").split(","), *(notes or "").split(",")]
    return tuple(Remark(code) for code in codes if code)


def _codes(stay: Stay, *, are_conflicts: bool) -> str | None:
    if not stay.remarks:
        return None
    codes = [code.value for code in stay.remarks if code.is_conflict is are_conflicts]
    return ",".join(codes) or None
