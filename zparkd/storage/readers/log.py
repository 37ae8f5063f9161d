"""The log of a database and what was made of it, row by row, for who compares both.

An event is known by its key here: an integer that says where it stands in this database. Whoever
reads takes it for a name, and asks for the position behind it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from zparkd.core import limits
from zparkd.core.events.event import ERASED, Event, Position, Stream, VehicleKey
from zparkd.core.events.heads import Heads
from zparkd.core.stays.erasure import forgotten
from zparkd.storage.correction_table import Corrections
from zparkd.storage.keys import act_key, key_of, number_of, seq_of

Link = tuple[int, int, bytes, bytes]
"""An event in its chain: its seq, 1 where it stands under no vehicle, skeleton, personal part.

One that came a moment ago, and is placed with those after it, does not stand so.
"""

UNKNOWN = "?"
"""The origin of a position whose stream is not known; its epoch is the stream's number."""

_COLUMNS = "e.at, e.kind, e.timestamp, p.place, e.edge_id, e.request_id, e.skeleton, e.sealed"


class EventRow(NamedTuple):
    """An event, and what stands beside it; `place` is None where it is of no vehicle."""

    key: int
    kind: str
    timestamp: int
    place: int | None
    edge_id: str | None
    request_id: str | None
    skeleton: bytes
    personal: bytes


class Claim(NamedTuple):
    """What an event that did not count says: its fee, and the entry that it names."""

    fee: int | None
    origin: str | None
    epoch: int | None
    seq: int | None


class Strays(NamedTuple):
    """Events of a stream that is not known: the number that it has, and from where to where."""

    number: int
    first: int
    last: int


class StoredLog:
    """The streams of a database as they are now; events up to their heads never change."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        cursor = connection.cursor()
        cursor.row_factory = None  # plain tuples: there may be millions
        self._run_plain = cursor.execute
        self._corrections = Corrections(connection, self.key)
        self.heads: Heads = {}
        self._numbers: dict[Stream, int] = {}
        self._streams: dict[int, Stream] = {}
        self._hashes: dict[Stream, str] = {}
        for number, origin, epoch, head, head_hash in self._run(
            "SELECT no, origin, epoch, head, head_hash FROM streams ORDER BY origin, epoch"
        ):
            stream = Stream(origin, epoch)
            self._numbers[stream] = number
            self._streams[number] = stream
            self.heads[stream] = head
            self._hashes[stream] = head_hash

    # --- names of events ----------------------------------------------------------------------

    def key(self, position: Position) -> int | None:
        """The key of a position in this database; None where its stream is not known."""
        number = self._numbers.get(position.stream)
        return key_of(number, position.seq) if number is not None else None

    def position(self, key: int) -> Position:
        """The position of the event with this key; see UNKNOWN."""
        number = number_of(key)
        return Position(*self._streams.get(number, Stream(UNKNOWN, number)), seq_of(key))

    def _span(self, stream: Stream, first: int, last: int) -> tuple[int, int]:
        number = self._numbers[stream]
        return key_of(number, first), key_of(number, last)

    # --- the chain ----------------------------------------------------------------------------

    def head_hash(self, stream: Stream) -> str:
        """The hash that the head of a stream has."""
        return self._hashes[stream]

    def links(self, stream: Stream, first: int, last: int) -> list[Link]:
        """The events of a range in order, as far as they are there."""
        return self._run_plain(
            f"SELECT e.at - {key_of(self._numbers[stream], 0)}, p.at IS NULL AND e.at NOT IN"
            " (SELECT at FROM arrivals WHERE no > (SELECT up_to FROM projected)),"
            " e.skeleton, e.sealed FROM events e LEFT JOIN places p ON p.at = e.at"
            " WHERE e.at BETWEEN ? AND ? ORDER BY e.at",
            self._span(stream, first, last),
        ).fetchall()

    def events(self, stream: Stream, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """Skeleton and personal part of the events of a range, in order."""
        yield from self._run_plain(
            "SELECT skeleton, sealed FROM events WHERE at BETWEEN ? AND ? ORDER BY at",
            self._span(stream, first, last),
        )

    def stays(self, stream: Stream, first: int, last: int) -> Iterator[tuple[Any, ...]]:
        """The stays that the events of a range opened, as centrals compare them."""
        rows = self._run(
            "SELECT * FROM shared_stays WHERE at BETWEEN ? AND ? ORDER BY at",
            self._span(stream, first, last),
        )
        return (tuple(row)[1:] for row in rows)

    def last_stored(self, stream: Stream) -> tuple[int, bytes] | None:
        """The seq and the skeleton of the last event that is there of a stream."""
        number = self._numbers[stream]
        row = self._run(
            "SELECT at, skeleton FROM events WHERE at < ? ORDER BY at DESC LIMIT 1",
            (key_of(number + 1, 0),),
        ).fetchone()
        if row is None or number_of(row[0]) != number:
            return None
        return seq_of(row[0]), row[1]

    def strays(self) -> Iterator[Strays]:
        """The events of streams that are not known."""
        for number in self._stored():
            if number not in self._streams:
                first, last = self._run(
                    "SELECT min(at), max(at) FROM events WHERE at >= ? AND at < ?",
                    (key_of(number, 0), key_of(number + 1, 0)),
                ).fetchone()
                yield Strays(number, seq_of(first), seq_of(last))

    def _stored(self) -> Iterator[int]:
        """The numbers of all streams that have events; what lies between is leapt over."""
        number = 0
        while True:
            row = self._run(
                "SELECT at FROM events WHERE at >= ? ORDER BY at LIMIT 1", (key_of(number, 0),)
            ).fetchone()
            if row is None:
                return
            number = number_of(row[0])
            yield number
            number += 1

    # --- single events ------------------------------------------------------------------------

    def parts(self, position: Position) -> tuple[bytes, bytes] | None:
        """Skeleton and personal part of the event at a position, where it is there."""
        row = self._run(
            "SELECT skeleton, sealed FROM events WHERE at=?", (self.key(position),)
        ).fetchone()
        return (row[0], row[1]) if row is not None else None

    def row(self, position: Position) -> EventRow:
        """The row of an event that is there."""
        key = self.key(position)
        select = f"SELECT {_COLUMNS} FROM events e LEFT JOIN places p ON p.at = e.at WHERE e.at=?"
        return EventRow(*self._run(select, (key,)).fetchone())

    def failure(self, position: Position) -> str | None:
        """How zparkd failed on an event, so that it changes nothing; None where it did not."""
        row = self._run(
            "SELECT fault FROM unprojected WHERE at=?", (self.key(position),)
        ).fetchone()
        return row[0] if row is not None else None

    def counts_up_to(self, key: int) -> int | None:
        """The last event that counts of the stream of this one, where its origin is disowned."""
        row = self._run("SELECT up_to FROM cuts WHERE stream=?", (number_of(key),)).fetchone()
        return row[0] if row is not None else None

    # --- vehicles, by their numbers -----------------------------------------------------------

    def last_vehicle(self) -> int:
        """The highest number of a vehicle; 0 for none."""
        row = self._run(
            "SELECT max(coalesce((SELECT max(no) FROM vehicles), 0),"
            " coalesce((SELECT max(vehicle) FROM places), 0))"
        ).fetchone()
        return int(row[0])

    def vehicles(self, first: int, last: int) -> dict[int, VehicleKey]:
        """The vehicles with these numbers."""
        rows = self._run(
            "SELECT no, camera_type, plate_id FROM vehicles WHERE no BETWEEN ? AND ?",
            (first, last),
        )
        return {number: VehicleKey(camera_type, plate_id) for number, camera_type, plate_id in rows}

    def events_of(self, first: int, last: int) -> Iterator[tuple[int, EventRow]]:
        """The events that stand under these vehicles, each with the number of its vehicle."""
        for vehicle, *row in self._run_plain(
            f"SELECT p.vehicle, {_COLUMNS} FROM places p JOIN events e ON e.at = p.at"
            " WHERE p.vehicle BETWEEN ? AND ? ORDER BY p.vehicle",
            (first, last),
        ).fetchall():
            yield vehicle, EventRow(*row)

    def stays_of(self, first: int, last: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """The stays of these vehicles: vehicle, the key of the entry, and all that they say.

        `closer` is the key of the event that ended it, `remarks` are parted by commas.
        """
        for row in self._run("SELECT * FROM sessions WHERE vehicle BETWEEN ? AND ?", (first, last)):
            said = dict(row)
            yield said.pop("vehicle"), said.pop("entry"), said

    def verdicts_of(self, first: int, last: int) -> Iterator[tuple[int, int, str, int | None]]:
        """What became of events that count for no stay: vehicle, key, verdict, key instead."""
        yield from self._run_plain(
            "SELECT vehicle, at, verdict, instead FROM verdicts WHERE vehicle BETWEEN ? AND ?",
            (first, last),
        ).fetchall()

    def claims_of(
        self, first: int, last: int, judged: tuple[str, ...]
    ) -> Iterator[tuple[int, int, Claim]]:
        """What the events with these verdicts say: vehicle, key, claim."""
        for vehicle, key, *claim in self._run_plain(
            "SELECT v.vehicle, c.at, c.fee, c.origin, c.epoch, c.seq"
            " FROM verdicts v JOIN claims c ON c.at = v.at"
            f" WHERE v.vehicle BETWEEN ? AND ? AND v.verdict IN ({','.join('?' * len(judged))})",
            (first, last, *judged),
        ).fetchall():
            yield vehicle, key, Claim(*claim)

    @property
    def corrected(self) -> set[int]:
        """The vehicles that corrections have to do with."""
        return self._corrections.vehicles

    def gathered(self, vehicle: int) -> Iterator[tuple[bytes, bytes]]:
        """Skeleton and personal part of all from which such a vehicle is folded."""
        for part in self._corrections.gather(vehicle, limits.EVENTS_PER_PIECE):
            yield from ((row.skeleton, row.personal) for row in part)

    def named(self, event: Event) -> Event:
        """An event; one that was erased is of the vehicle that it is of without a name."""
        if event.personal_part != ERASED or event.facts is None:
            return event
        row = self._run(
            "SELECT plate FROM erased WHERE origin=? AND epoch=? AND seq=?", event.position
        ).fetchone()
        return forgotten(event, row[0]) if row is not None else event

    def waits(self, position: Position) -> bool:
        """Whether an event waits for one that is not here."""
        row = self._run("SELECT 1 FROM waiting WHERE at=?", (self.key(position),)).fetchone()
        return row is not None

    def without_vehicle(self) -> Iterator[tuple[str, int]]:
        """Stays and verdicts of vehicles that are none: the table, and the key of the event."""
        for table, column in (("sessions", "entry"), ("verdicts", "at")):
            for (key,) in self._run(
                f"SELECT {column} FROM {table} WHERE vehicle NOT IN (SELECT no FROM vehicles)"
            ):
                yield table, key

    # --- reference data -----------------------------------------------------------------------

    def changes(self, kinds: Sequence[str]) -> Iterator[tuple[bytes, bytes]]:
        """Skeleton and personal part of the events of these kinds that count, of no vehicle."""
        for key, skeleton, personal in self._run_plain(
            f"SELECT at, skeleton, sealed FROM events WHERE kind IN ({','.join('?' * len(kinds))})",
            tuple(kinds),
        ).fetchall():
            up_to = self.counts_up_to(key)
            if up_to is None or seq_of(key) <= up_to:
                yield skeleton, personal

    def reference(self, table: "Reference") -> dict[object, tuple[Any, ...]]:
        """The rows of a table of reference data; first the key of the event that each is from.

        What each row is known by, and says, is with Reference.
        """
        rows = self._run_plain(f"SELECT {_REFERENCE[table]} FROM {table}")
        return {row[0]: row[1:] for row in rows}


class Reference(StrEnum):
    """The tables of reference data.

    A tariff is known by its event's key, and says version, place, timestamp, document; a policy
    also its watch list. A pass by
    the JSON of plate_id, camera_type and valid_from: valid_until, holder, removed, place,
    timestamp. One of the staff by staff_id: name, removed, place, timestamp. An acknowledgement by
    its event's key: the kind of the conflict, and origin, epoch and seq of the event it is about.
    """

    TARIFFS = "tariffs"
    POLICIES = "policies"
    PASSES = "passes"
    STAFF = "staff"
    ACKS = "acks"


_REFERENCE = {
    Reference.TARIFFS: "at, at, version, place, timestamp, document",
    Reference.POLICIES: "at, at, version, place, timestamp, document, watch",
    Reference.PASSES: "json_array(plate_id, camera_type, valid_from), at, valid_until, holder,"
    " removed, place, timestamp",
    Reference.ACKS: "at, at, conflict, origin, epoch, seq",
    Reference.STAFF: "staff_id, at, name, removed, place, timestamp",
}


def acts_held(connection: sqlite3.Connection, edge_id: str, request_ids: Sequence[str]) -> int:
    """How many of these requests of one edge have come to an event here."""
    acts = orjson.dumps([act_key(edge_id, request_id) for request_id in request_ids]).decode()
    (count,) = connection.execute(
        "SELECT count(DISTINCT e.request_id) FROM json_each(?) j"
        " CROSS JOIN acts a ON a.act = j.value JOIN events e ON e.at = a.at"
        " WHERE e.edge_id = ? AND e.request_id IN (SELECT value FROM json_each(?))",
        (acts, edge_id, orjson.dumps(request_ids).decode()),
    ).fetchone()
    return int(count)
