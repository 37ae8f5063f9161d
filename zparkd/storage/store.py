"""The log on disk: what `core.log` asks for, answered from SQLite.

One connection, one writer. A transaction begins with the first change and ends with `commit`,
which returns once it is on the disk (WAL, synchronous=FULL). What is kept in memory is read
again after `rollback`.
"""

import functools
import os
import secrets
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, Stream, VehicleKey, read
from zparkd.core.events.heads import HeadVector
from zparkd.core.log import HeldStay, SharedRow
from zparkd.core.replication.peer_state import PeerNote
from zparkd.storage import database_file, edges_seen, integrity, zones
from zparkd.storage.commit_record import Mark, Said, read_mark
from zparkd.storage.damage import Damaged, is_damage, is_of_the_event
from zparkd.storage.database_file import DatabaseBusy
from zparkd.storage.keys import key_of, number_of
from zparkd.storage.peer_table import PeerNotes
from zparkd.storage.projection import rereading
from zparkd.storage.projection.correction_log import CorrectionLog
from zparkd.storage.projection.member_tables import Members
from zparkd.storage.projection.projector import Projection
from zparkd.storage.projection.reference_tables import ReferenceTables
from zparkd.storage.projection.rejudging import Rejudging
from zparkd.storage.projection.rereading import Rereading
from zparkd.storage.schema import SchemaError, migrate
from zparkd.storage.signature_tables import Signatures
from zparkd.storage.stream_table import Streams

_IN_MEMORY = Path(":memory:")
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 250",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA temp_store = MEMORY",
)


class NotOurs(Exception):
    """The database belongs to another central or site: `key` says which of them differs."""

    def __init__(self, key: str, theirs: str, ours: str) -> None:
        super().__init__(
            f"the database belongs to {key} {theirs!r}, not {ours!r};"
            f" write {theirs!r} or name another file in storage.path"
        )
        self.key = f"central.{key}"


class Store:
    """All events and stays of one central, in one SQLite file."""

    def __init__(self, path: Path, central_id: str, site: str, timezone: str) -> None:
        """Open the database, made or migrated where needed, for writing.

        `:memory:` makes one that is gone with this object. Raises DatabaseBusy, NotOurs,
        SchemaError, damage.Damaged, or sqlite3.Error and OSError where the file can't be used.
        """
        self._path = path
        self._central = central_id
        self._lock = None if path == _IN_MEMORY else database_file.lock(path)
        self._mark: Mark | None = None
        self._is_new = False
        said = read_mark(path)
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        self._run = self._connection.execute
        try:
            # First: what is damaged or not ours is refused as it is.
            self._lost = integrity.look(self._connection, path, central_id, said)
            migrate(self._connection)
            for pragma in _PRAGMAS:
                self._run(pragma)
            self._remember(central_id, site)
            if path != _IN_MEMORY:  # before all else is written: see Said.copied
                self._mark = Mark(path, self._said_from(said))
                self._file = database_file.identity(path)
            self.set_timezone(timezone)
            rereading.compare(self._connection)
            self._streams = Streams(self._connection)
            self._projection = Projection(self._connection, self._streams)
            self.corrections = CorrectionLog(self._connection, self._streams, self._projection)
            self.signed = Signatures(self._connection, self._streams, self._begin)
            self.members = Members(self._connection, self._streams)
            self.reference = ReferenceTables(self._connection, self._streams, self.members.counted)
            self._rejudging = Rejudging(
                self._connection, self.members, self._projection, self.reference
            )
            self._rereading = Rereading(
                self._connection, self.members, self._projection, self.reference
            )
            self._peer_notes = PeerNotes(self._connection, self._begin)
        except BaseException as fault:
            self.close()
            if is_damage(fault):
                raise Damaged(path, fault) from fault
            raise

    def stopped(self) -> None:
        """Note that the daemon ends in good order: the next start need not look so closely."""
        if self._mark is not None:
            self._mark.stopped()

    def close(self) -> None:
        """Close the file, and let another daemon have it."""
        self._connection.close()
        if self._mark is not None:
            self._mark.close()
            self._mark = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _remember(self, central_id: str, site: str) -> None:
        known = dict(self._run("SELECT key, value FROM meta").fetchall())
        for key, name, value in (("central", "id", central_id), ("site", "site", site)):
            if known.get(key, value) != value:
                raise NotOurs(name, known[key], value)
            self._run("INSERT OR IGNORE INTO meta VALUES (?,?)", (key, value))
        # Told apart from another database that is put in its place some day.
        self._run("INSERT OR IGNORE INTO meta VALUES ('database', ?)", (secrets.token_hex(16),))

    def _said_from(self, said: Said | None) -> Said:
        """The mark to begin with: what an earlier one says goes on counting for this database."""
        (database,) = self._run("SELECT value FROM meta WHERE key = 'database'").fetchone()
        own = self._run(
            "SELECT epoch, head FROM streams WHERE origin = ? ORDER BY epoch DESC LIMIT 1",
            (self._central,),
        ).fetchone()
        here = own or (0, 0)
        self._is_new = said is not None and said.database != database
        epoch, seq = here if said is None or self._is_new else max(here, said.newest)
        behind = here if here < (epoch, seq) else None
        return Said(database, epoch, seq, stopped=False, copied=behind)

    def set_timezone(self, timezone: str) -> None:
        """Show times in this zone from now on."""
        rows = zones.offsets(ZoneInfo(timezone))
        if self._run("SELECT from_s, offset_s FROM zone ORDER BY from_s").fetchall() != rows:
            self._begin()
            self._run("DELETE FROM zone")
            self._connection.executemany("INSERT INTO zone VALUES (?,?)", rows)
            self._run("COMMIT")

    # --- transactions ------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._run("BEGIN IMMEDIATE")

    @property
    def path(self) -> Path:
        """Where the database is."""
        return self._path

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading tables that are not the log's."""
        return self._connection

    def writing(self) -> sqlite3.Connection:
        """For writing them, in the transaction that `commit` ends."""
        self._begin()
        return self._connection

    def commit(self) -> bool:
        """Put all that was appended on the disk; whether there was anything.

        Raises sqlite3.Error where it can't be.
        """
        if not self._connection.in_transaction:
            return False
        self._streams.flush()
        self._projection.flush()
        self._run("COMMIT")
        changed = self._streams.committed()
        if self._mark is not None:
            for stream in changed:
                if stream.origin == self._central:
                    self._mark.committed(stream.epoch, self.heads[stream])
        return True

    def rollback(self) -> set[Stream]:
        """Undo all since the last commit; the streams whose heads went back."""
        if self._connection.in_transaction:
            self._run("ROLLBACK")
        moved = self._streams.undo()
        self._reload()
        self._peer_notes.reload()
        return moved

    def _reload(self) -> None:
        """Read again what is kept in memory of tables, since what was written is undone."""
        self.signed.reload()
        self._projection.reload()
        self.members.reload()
        self._rereading.reload()
        self.reference.reload()

    # --- the log: see core.log ---------------------------------------------------------------

    @property
    def heads(self) -> HeadVector:
        """How far each stream is held."""
        return self._streams.heads

    def head_hash(self, stream: Stream) -> str:
        """The hash of the newest event held of a stream; `""` where none is."""
        return self._streams.head_hash(stream)

    def append(self, event: Event, *, new_act: bool = False) -> None:
        """Store the event that continues its stream, and project it."""
        self._begin()
        at = self._streams.advance(event.position, event.hash)
        counts = self.members.counts(event.position)
        if counts:
            insert = functools.partial(self._insert, event, at)
            self._projection.add(event, insert, new_act=new_act)
        else:
            self._insert(event, at, None, event.order, counts=False)
        if not event.is_read:
            self._rereading.kept(at)
        if event.reference is not None:
            self.reference.add(event, counts=counts)
            self.members.add(event)

    def append_apart(self, event: Event) -> bool:
        """The same, but where that blows up, store it unprojected; whether it was projected."""
        self._begin()
        self._run("SAVEPOINT event")
        try:
            self.append(event)
            self.settle()
        except Exception as fault:
            if not is_of_the_event(fault):
                raise
            self._run("ROLLBACK TO event")
            self._run("RELEASE event")
            self._reload()
            at = self._streams.at(event.position)
            assert at is not None
            self._insert(event, at, None, event.order)
            kind = type(fault).__name__  # not its text, which may name a plate
            self._run("INSERT INTO unprojected VALUES (?,?)", (at, kind))
            return False
        self._run("RELEASE event")
        return True

    def unprojected(self) -> int:
        """How many events that are held the rules blew up on."""
        alone = self._run("SELECT count(*) FROM unprojected").fetchone()[0]
        return int(alone) + self._projection.stuck

    def _insert(
        self, event: Event, at: int, vehicle: int | None, place: int, *, counts: bool = True
    ) -> None:
        act = event.act if counts else (None, None)
        self._run(
            "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?)",
            (
                at,
                str(event.kind),
                event.timestamp,
                place,
                vehicle,
                *act,
                event.skeleton,
                event.personal_part,
            ),
        )

    def settle(self, effort: int | None = None) -> None:
        """Fold again the vehicles whose appended events were not their newest.

        With an `effort` about so many events are looked at, and the rest is left to the next. Where
        it changed which events count, a part of them is brought about: see `unsettled`.
        """
        self._rereading.turn(self._begin)
        self._rejudging.turn(self._begin)
        if self._projection.unsettled:
            self._begin()
            self._projection.settle(effort)

    @property
    def unsettled(self) -> bool:
        """Whether `settle` has left anything for the next turn."""
        return bool(self._rereading.left or self.members.unsettled or self._projection.unsettled)

    @property
    def rereading(self) -> int:
        """How many events that an older version kept unread are still to be read."""
        return self._rereading.left

    def head_before(self, stream: Stream, ms: int) -> int:
        """The event of a stream after which the first comes that is stamped `ms` or later."""
        return self._streams.head_before(stream, ms)

    def event(self, position: Position) -> Event | None:
        """The event at a position; None where it is not held, or not as it was written."""
        rows = self._events("WHERE at=?", (self._streams.at(position),))
        return rows[0] if rows else None

    def page(
        self, stream: Stream, after: int, count: int, size: int
    ) -> Iterator[tuple[bytes, bytes]]:
        """Skeletons and personal parts after `after`, until `count` or `size` bytes are passed."""
        at = self._streams.at(Position(*stream, after))
        if at is None:
            return
        rows = self._run(
            "SELECT skeleton, sealed FROM events WHERE at > ? AND at < ? ORDER BY at LIMIT ?",
            (at, key_of(number_of(at) + 1, 0), count),
        )
        for skeleton, sealed in rows:
            yield skeleton, sealed
            size -= len(skeleton) + len(sealed)
            if size <= 0:
                return

    def between(self, stream: Stream, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """Skeletons and personal parts from `first` to `last`, in the order of their seq."""
        return self._range("SELECT skeleton, sealed FROM events", stream, first, last)

    def stays_between(self, stream: Stream, first: int, last: int) -> Iterator[SharedRow]:
        """The stays whose entries stand from `first` to `last`, in the order of their seq."""
        rows = self._range("SELECT * FROM shared_stays", stream, first, last)
        return (row[1:] for row in rows)  # all but `at`, which is this database's own

    def _range(self, select: str, stream: Stream, first: int, last: int) -> sqlite3.Cursor:
        start = self._streams.at(Position(*stream, first))
        end = self._streams.at(Position(*stream, last))
        return self._run(f"{select} WHERE at BETWEEN ? AND ? ORDER BY at", (start, end))

    def acts(self, edge_id: str, request_id: str) -> list[Event]:
        """All events that this edge caused with this request, oldest first."""
        found = self._events("WHERE edge_id=? AND request_id=?", (edge_id, request_id))
        return sorted(found, key=lambda event: event.key)

    def opens_of(self, edge_id: str, limit: int) -> list[Event]:
        """What this edge opened for last: entries, exits and manual opens.

        The one that came last to be held here is first.
        """
        rows = self._run(
            "SELECT e.skeleton, e.sealed"
            " FROM (SELECT no, at FROM arrivals WHERE opened_by=? ORDER BY no DESC LIMIT ?) a"
            " JOIN events e ON e.at = a.at WHERE e.edge_id=? ORDER BY a.no DESC",
            (edge_id, limit, edge_id),  # without what means nothing any more
        )
        return _sound(rows)

    def find(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The event whose readable id is made of these: an entry, or an unmatched exit."""
        found = self._events(
            "WHERE timestamp=? AND place >= ?"
            " AND vehicle IN (SELECT no FROM vehicles WHERE plate_id=?)",
            (timestamp, timestamp, plate_id),
        )
        for event in found:
            named = event.kind != Kind.ENTRY and event.names is not None
            if event.position.origin == origin and not named:
                return event
        return None

    def free_stamp(self, plate_id: str, from_ms: int) -> int:
        """The first time stamp, `from_ms` or later, that no event of this plate carries.

        Of whatever type of vehicle.
        """
        return self._projection.vehicles.free_stamp(plate_id, from_ms)

    def last_order(self, vehicle: VehicleKey) -> int:
        """The highest `order` among the events of a vehicle; 0 for none."""
        known = self._projection.vehicles.of_plate(vehicle.plate_id).get(vehicle.camera_type)
        if known is None:
            return 0
        corrections = self._projection.corrections
        if known.no in corrections.vehicles:
            return corrections.last_place(known.no)
        return known.last_place

    def beyond(self, vehicle: VehicleKey, order: int) -> Event | None:
        """An event of a vehicle whose own `order` is later, if one of the first there is."""
        rows = self._projection.vehicles.placed_after(vehicle, order)
        return next((event for event in _sound(rows) if event.order > order), None)

    def inside(self, plate_id: str) -> list[HeldStay]:
        """The open stays of all vehicles with this plate."""
        vehicles = self._projection.vehicles.of_plate(plate_id).values()
        if self._projection.unsettled:
            self._begin()
            for vehicle in list(vehicles):
                self._projection.settle_vehicle(vehicle.no)
            vehicles = self._projection.vehicles.of_plate(plate_id).values()
        return [vehicle.open for vehicle in vehicles if vehicle.open is not None]

    def alike(self, plate_id: str) -> list[HeldStay]:
        """The open stays of vehicles of whose plates this one could be a misreading."""
        vehicles = self._projection.stays.inside.alike(plate_id)
        found = {held for vehicle in vehicles for held in self.inside(vehicle.plate_id)}
        return [held for held in found if held.stay.vehicle in vehicles]

    def inside_of(self, camera_type: str) -> int:
        """How many vehicles of a type are inside."""
        return self._projection.stays.inside.count(camera_type)

    def stay_of(self, entry: Position) -> HeldStay | None:
        """The stay that this entry belongs to, also where an older entry counts for it."""
        at = self._projection.entry_that_counts(entry)
        return self._projection.stays.of_entry(at) if at is not None else None

    def note_peers(self, ids: Collection[str], notes: Iterable[PeerNote], wall_ms: int) -> None:
        """Write down what changed of peers; what is written of others than `ids` goes."""
        self._peer_notes.write(ids, notes, wall_ms)

    def note_edges(self, seen: Iterable[tuple[str, int]]) -> None:
        """Write down when edges were last heard, in ms; of the ones silent for longest no more."""
        edges_seen.note(self.writing(), seen)

    def set_aside(self, message: str, wall_ms: int) -> None:
        """Keep a message that could not be handled, for whoever mends it; the newest ones only."""
        self._begin()
        self._run("INSERT INTO set_aside (wall_ms, message) VALUES (?,?)", (wall_ms, message))
        self._run(
            "DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ?",
            (limits.MESSAGES_SET_ASIDE,),
        )

    # --- for the start, and for status -------------------------------------------------------

    @property
    def replaced(self) -> bool:
        """Whether this is another database than the one that was used here before."""
        return self._is_new

    def missing(self) -> integrity.Missing | None:
        """What was committed here once and is not here, nor came back from a peer yet."""
        lost = self._lost
        if lost is None:
            return None
        held = self.heads.get(Stream(self._central, lost.epoch), 0)
        return lost._replace(held=held) if held < lost.seq else None

    def is_in_place(self) -> bool:
        """Whether the file is still the one that was opened: SQLite would not notice."""
        return self._mark is None or database_file.identity(self._path) == self._file

    def peer_notes(self) -> list[PeerNote]:
        """What was written down of peers."""
        return self._peer_notes.read()

    def last_stamp(self, origin: str) -> int:
        """The time stamp of the newest event of an origin; 0 for none."""
        newest = 0
        for stream, head in self.heads.items():
            if stream.origin == origin:
                at = self._streams.at(Position(*stream, head))
                row = self._run("SELECT timestamp FROM events WHERE at=?", (at,)).fetchone()
                newest = max(newest, row[0])
        return newest

    def vehicles_inside(self) -> int:
        """How many stays are open."""
        row = self._run("SELECT count(*) FROM sessions WHERE closed_by IS NULL").fetchone()
        return int(row[0])

    def open_conflicts(self) -> int:
        """How many rows the view `conflicts` has: what waits for a person to look at it."""
        return self._projection.open_conflicts()

    def _events(self, where: str, values: tuple[Any, ...]) -> list[Event]:
        return _sound(self._run(f"SELECT skeleton, sealed FROM events {where}", values))


def _sound(rows: Iterable[tuple[bytes, bytes]]) -> list[Event]:
    """The events of these rows, but for those that are not as they were written any more."""
    found = []
    for skeleton, sealed in rows:
        with suppress(ProtocolError):
            found.append(read(skeleton, sealed))
    return found


__all__ = ["DatabaseBusy", "NotOurs", "SchemaError", "Store"]
