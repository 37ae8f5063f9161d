"""The log on disk: what `core.log` asks for, answered from SQLite.

One connection, one writer. A transaction begins with the first change and ends with `commit`,
which returns once it is on the disk (WAL, synchronous=FULL). It holds the events; what they come
to is known at once, and follows them into the tables by `write_behind`, which waits for no disk:
what is lost of it comes of the events again. What is kept in memory is read again after
`rollback`.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import ERASED, Event, Position, Stream, VehicleKey
from zparkd.core.events.heads import HeadVector
from zparkd.core.events.payloads import VehicleErased
from zparkd.core.log import HeldStay, SharedRow
from zparkd.core.replication.peer_state import PeerNote
from zparkd.storage import edges_seen, integrity, zones
from zparkd.storage.damage import is_of_the_event, naming_damage
from zparkd.storage.database_file import DatabaseFile, unsynced
from zparkd.storage.event_table import EventTable
from zparkd.storage.peer_table import PeerNotes
from zparkd.storage.projection import rereading
from zparkd.storage.projection.answers import Answers
from zparkd.storage.projection.correction_log import CorrectionLog
from zparkd.storage.projection.erasure_table import Erasures
from zparkd.storage.projection.following import Following
from zparkd.storage.projection.member_tables import Members
from zparkd.storage.projection.reference_tables import ReferenceTables
from zparkd.storage.projection.rereading import Rereading
from zparkd.storage.schema.moving import Told
from zparkd.storage.signature_tables import Signatures
from zparkd.storage.stream_table import Streams


class Store:
    """All events and stays of one central, in one SQLite file."""

    def __init__(
        self, path: Path, central_id: str, site: str, timezone: str, told: Told | None = None
    ) -> None:
        """Open the database, made or migrated where needed, for writing.

        A migration that takes long is `told` again and again.
        `:memory:` makes one that is gone with this object. Raises DatabaseBusy, NotOurs,
        SchemaError, damage.Damaged, or sqlite3.Error and OSError where the file can't be used.
        """
        self._sound = False  # whether what is in memory is what the tables come to
        with naming_damage(path):
            self._file = DatabaseFile(path, central_id, site, told)
            self._connection = self._file.connection
            self._run = self._connection.execute
            try:
                self._open(timezone)
            except BaseException:
                self.close()
                raise

    def _open(self, timezone: str) -> None:
        self.set_timezone(timezone)
        rereading.compare(self._connection)
        self._streams = Streams(self._connection)
        self._events = EventTable(self._connection, self._streams)
        self._projection = Following(self._connection, self._streams, self._events)
        self._answers = Answers(self._connection, self._events, self._projection)
        self.signed = Signatures(self._connection, self._streams, self._begin)
        self.members = Members(self._connection, self._streams)
        self.reference = ReferenceTables(self._connection, self._streams, self.members.counted)
        stays = self._connection, self._streams, self._projection
        self.erasures = Erasures(*stays, self.reference)
        tables = self._connection, self.members, self._projection, self.reference
        self._rereading = Rereading(*tables, self.erasures)
        self.corrections = CorrectionLog(*stays, self.write_behind, self.erasures)
        self._peer_notes = PeerNotes(self._connection, self._begin)
        self._catch_up()
        self._sound = True

    def stopped(self) -> None:
        """Note that the daemon ends in good order: the next start need not look so closely."""
        self._file.stopped()

    def close(self) -> None:
        """Close the file, and let another daemon have it. What is not committed is undone."""
        if self._sound and not self._connection.in_transaction:
            with suppress(sqlite3.Error):  # what can't be written now comes of the log again
                self.write_behind()
        self._sound = False
        self._file.close()

    def set_timezone(self, timezone: str) -> None:
        """Show times in this zone from now on."""
        self._zone = ZoneInfo(timezone)
        zones.write(self._connection, self._zone)

    # --- transactions ------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._run("BEGIN IMMEDIATE")

    @property
    def path(self) -> Path:
        """Where the database is."""
        return self._file.path

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading the tables, which show all that is held."""
        self.write_behind()
        return self._connection

    def writing(self) -> sqlite3.Connection:
        """For writing tables that are not the log's, in the transaction that `commit` ends."""
        self._begin()
        self._events.flush()
        return self._connection

    def commit(self) -> bool:
        """Put all that was appended on the disk; whether there was anything.

        Raises sqlite3.Error where it can't be.
        """
        if not self._connection.in_transaction:
            return False
        self._sound = False
        self._events.flush()
        self._streams.flush()
        if self._projection.behind > limits.EVENTS_BEHIND_MAX:
            self._projection.to_tables()
        self._projection.flush()
        self._run("COMMIT")
        self._sound = True
        self.erasures.drop_forgotten()
        changed = self._streams.committed()
        self._file.committed(changed, self.heads)
        return True

    @property
    def behind(self) -> int:
        """Of how many events the tables do not show yet what they come to."""
        return self._projection.behind

    def write_behind(self) -> None:
        """Have the tables show what all events come to.

        In a transaction of its own, which needs no fsync: the events are on the disk, and a start
        makes of them again what is lost here. Raises sqlite3.Error; owed then is a `rollback`.
        """
        if not self._projection.behind:
            return
        if self._connection.in_transaction:
            self._projection.write()
            return
        self._sound = False
        with unsynced(self._connection):
            self._projection.write()
        self._sound = True

    def rollback(self) -> set[Stream]:
        """Undo all since the last commit; the streams whose heads went back."""
        self._undo()
        moved = self._streams.undo()
        self._reload()
        self._peer_notes.reload()
        self._sound = True
        return moved

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._run("ROLLBACK")

    def _reload(self) -> None:
        """Read again what is kept in memory of tables, since what was written is undone."""
        self._forget()
        self._catch_up()

    def _forget(self) -> None:
        self._events.reload()
        self.signed.reload()
        self._projection.reload()
        self.members.reload()
        self._rereading.reload()
        self.reference.reload()
        self.erasures.reload()

    def _catch_up(self) -> None:
        """Project what arrived after what the tables show: after a start, or what was undone."""
        blew_up: dict[int, str] = {}
        while self._projection.reached < self._events.newest:
            no = after = self._projection.reached
            try:
                for no, at, skeleton, sealed in self._events.arrived_after(
                    after, limits.EVENTS_WRITTEN_AT_ONCE
                ):
                    if no in blew_up:
                        self._not_projected(at, no, blew_up[no])
                        continue
                    with suppress(ProtocolError):  # rot; the check of the log says so
                        event = self._projection.read(skeleton, sealed)
                        counts = self.members.counted(event.position)
                        self._project(event, at, no, counts=counts)
                    self._projection.projected(no)
            except Exception as fault:
                if not is_of_the_event(fault) or no in blew_up:
                    raise
                blew_up[no] = type(fault).__name__
                self._undo()
                self._forget()
                continue
            assert no > after
            if self._connection.in_transaction:
                self._projection.to_tables()
                self.commit()
            if self._projection.reached < self._events.newest:
                self.write_behind()

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
        event = self.erasures.as_known(event, at)
        counts = self.members.counts(event.position)
        no = self._events.append(event, at, counts=counts)
        self._project(event, at, no, counts=counts, new_act=new_act)

    def _project(
        self, event: Event, at: int, no: int, *, counts: bool, new_act: bool = False
    ) -> None:
        """Bring the tables, and what is to be written to them, up to date with an event."""
        if not (counts and event.is_read and event.reference is None):
            self._begin()
            self._projection.to_tables()
        if counts:
            self._projection.add(event, at, no, new_act=new_act)
        if not event.is_read:
            self._rereading.kept(at)
        if event.reference is not None:
            self.reference.add(event, counts=counts)
            self.members.add(event)
            if counts and isinstance(event.reference, VehicleErased):
                self.erasures.add(event, event.reference, at)
        self._projection.projected(no)

    def append_apart(self, event: Event) -> bool:
        """The same, but where that blows up, store it unprojected; whether it was projected."""
        self._begin()
        self._projection.to_tables()
        self._run("SAVEPOINT event")
        try:
            self.append(event)
            self.settle()
            self._projection.to_tables()
        except Exception as fault:
            if not is_of_the_event(fault):
                raise
            self._run("ROLLBACK TO event")
            self._run("RELEASE event")
            self._reload()
            at = self._streams.at(event.position)
            assert at is not None
            no = self._events.append(event, at, counts=True)
            self._projection.unwritten.act(event, at, no)
            self._not_projected(at, no, type(fault).__name__)  # not its text: it may name a plate
            return False
        self._run("RELEASE event")
        return True

    def _not_projected(self, at: int, no: int, fault: str) -> None:
        """The rules blow up on an event: it is kept, and changes nothing."""
        self._begin()
        self._projection.to_tables()
        self._run("INSERT INTO unprojected VALUES (?,?)", (at, fault))
        self._projection.projected(no)

    def unprojected(self) -> int:
        """How many of the events held the rules failed on."""
        return self._projection.not_projected()

    def settle(self, effort: int | None = None) -> None:
        """Fold again the vehicles whose appended events were not their newest.

        With an `effort` about so many events are looked at; the rest is left: see `unsettled`.
        """
        if not self.unsettled:
            return
        self._begin()
        self._projection.to_tables()
        self._rereading.turn(self._begin)
        self._projection.settle(effort)
        self.erasures.settled()

    @property
    def unsettled(self) -> bool:
        """Whether `settle` has left anything for the next turn."""
        folded = not (self._projection.unsettled or self.erasures.unsettled)
        return self.members.unsettled or self._rereading.left > 0 or not folded

    @property
    def rereading(self) -> int:
        """How many events that an older version could not read are still to be read."""
        return self._rereading.left

    def head_before(self, stream: Stream, ms: int) -> int:
        """The event of a stream after which the first comes that is stamped `ms` or later."""
        return self._events.head_before(stream, ms)

    def event(self, position: Position) -> Event | None:
        """The event at a position; None where it is not held, or not as it was written.

        One that was erased is of a vehicle without a name.
        """
        event = self._events.event(position)
        if event is None or event.personal_part != ERASED:
            return event
        return self._projection.read(event.skeleton, event.personal_part)

    def page(
        self, stream: Stream, after: int, count: int, size: int
    ) -> Iterator[tuple[bytes, bytes]]:
        """Skeletons and personal parts after `after`, until `count` or `size` bytes are passed."""
        return self._events.page(stream, after, count, size)

    def between(self, stream: Stream, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """Skeletons and personal parts from `first` to `last`, in the order of their seq."""
        return self._events.between(stream, first, last)

    def stays_between(self, stream: Stream, first: int, last: int) -> Iterator[SharedRow]:
        """The stays whose entries stand from `first` to `last`, in the order of their seq."""
        self.write_behind()
        return self._events.stays_between(stream, first, last)

    def acts(self, edge_id: str, request_id: str) -> list[Event]:
        """All events that this edge caused with this request, oldest first."""
        return self._answers.acts(edge_id, request_id)

    def opens_of(self, edge_id: str, limit: int) -> list[Event]:
        """What this edge opened for last: entries, exits and manual opens.

        The one that came last to be held here is first.
        """
        return self._answers.opens_of(edge_id, limit)

    def find(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The event whose readable id is made of these: an entry, or an unmatched exit."""
        if (found := self._answers.inside_since(origin, timestamp, plate_id)) is not None:
            return found
        self.write_behind()
        return self._answers.find(origin, timestamp, plate_id)

    def free_stamp(self, plate_id: str, from_ms: int) -> int:
        """The first time stamp from `from_ms` on that no event of this plate has, of any type."""
        return self._projection.vehicles.free_stamp(plate_id, from_ms)

    def after_erases(self, plate_id: str, order: int) -> int:
        """An order, raised above the erases of a plate: what happens after one is not meant."""
        return self.erasures.after(plate_id, order)

    def last_order(self, vehicle: VehicleKey) -> int:
        """The highest `order` among the events of a vehicle; 0 for none."""
        return self._projection.last_order(vehicle)

    def beyond(self, vehicle: VehicleKey, order: int) -> Event | None:
        """An event of a vehicle whose own `order` is later, if one of the first there is."""
        self.write_behind()
        return self._answers.beyond(vehicle, order)

    def inside(self, plate_id: str) -> list[HeldStay]:
        """The open stays of all vehicles with this plate."""
        if self._projection.unsettled:
            self._begin()
        return self._projection.inside(plate_id)

    def alike(self, plate_id: str) -> list[HeldStay]:
        """The open stays of vehicles of whose plates this one could be a misreading."""
        vehicles = self._projection.plates_inside.alike(plate_id)
        found = {held for vehicle in vehicles for held in self.inside(vehicle.plate_id)}
        return [held for held in found if held.stay.vehicle in vehicles]

    def not_taken(self, plate_id: str) -> list[HeldStay]:
        """The last stays of the vehicles with this plate on whose entry nobody drove in."""
        self.inside(plate_id)  # folds what is asked for
        return self._projection.not_taken(plate_id)

    def unconfirmed(self, origin: str, edge_ids: Collection[str]) -> list[Position]:
        """The entries that an origin recorded at these edges: of open stays that none confirmed."""
        return self._projection.unconfirmed(origin, edge_ids)

    def stay_of(self, entry: Position) -> HeldStay | None:
        """The stay that this entry belongs to, also where an older entry counts for it."""
        if self._projection.unsettled:
            self._begin()
        return self._projection.stay_of(entry)

    def note_peers(self, ids: Collection[str], notes: Iterable[PeerNote], wall_ms: int) -> None:
        """Write down what changed of peers; what is written of others than `ids` goes."""
        self._peer_notes.write(ids, notes, wall_ms)

    def note_edges(self, seen: Iterable[tuple[str, int]]) -> None:
        """Write down when edges were last heard, in ms; those silent the longest are dropped."""
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
        return self._file.replaced

    def missing(self) -> integrity.Missing | None:
        """What was committed here once and is not here, nor came back from a peer yet."""
        return self._file.missing(self.heads)

    def is_in_place(self) -> bool:
        """Whether the file is still the one that was opened: SQLite would not notice."""
        return self._file.is_in_place()

    def peer_notes(self) -> list[PeerNote]:
        """What was written down of peers."""
        return self._peer_notes.read()

    def last_stamp(self, origin: str) -> int:
        """The time stamp of the newest event of an origin; 0 for none."""
        return self._events.last_stamp(origin)

    def vehicles_inside(self, camera_type: str | None = None) -> int:
        """How many stays are open: of a type of vehicle, or of all."""
        return self._projection.plates_inside.count(camera_type)

    def open_conflicts(self) -> int:
        """How many conflicts are open: what waits for a person to look at it."""
        return self._projection.open_conflicts(self._zone)
